"""Says in one message what this machine lacks to build sippx; runs on a bare python3 before anything is installed.

Standard library only, in syntax that Python 3.8 reads, so that an old interpreter can be complained about.
With SIPPX_APT=1 in the environment, as root on a Debian-like machine, the packages are installed instead.
"""

import os
import shutil
import subprocess
import sys
import sysconfig

NEEDED = (3, 11)


def missing_packages():
    """Debian packages that the build needs and this machine has not, in the order they were noticed."""
    packages = []
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        packages.append("python3-venv")
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        packages += ["gcc", "libc6-dev"]
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):  # noqa: PTH110, PTH118
        packages.append("python3-dev")
    return packages


def main():
    """Exit 1 with the message where something is missing."""
    if sys.version_info < NEEDED:
        found = f"{sys.executable} is {sys.version.split()[0]}"
        return "sippx needs Python {}.{} or newer, {}; try make PYTHON=python3.11".format(*NEEDED, found)
    packages = missing_packages()
    if not packages:
        return 0
    command = ["apt-get", "install", "-y", *packages]
    if os.environ.get("SIPPX_APT") == "1" and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.check_call(["apt-get", "update"])
        subprocess.check_call(command)
        return 0
    return "to build sippx, first run (as root): " + " ".join(command)


if __name__ == "__main__":
    sys.exit(main())
