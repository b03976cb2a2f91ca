"""Says in one message what this machine lacks to build sippx; runs on a bare python3 before anything is installed.

Standard library only, in syntax that Python 3.8 reads, so that an old interpreter can be complained about.
With SIPPX_APT=1 in the environment, as root on a machine with apt-get, the packages are installed instead.
"""

from __future__ import annotations

import importlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

NEEDED = (3, 11)
DEBIAN_PREFIX = "/usr"


def compiler() -> str:
    """The C compiler that builds extension modules of this Python."""
    command = os.environ.get("CC") or sysconfig.get_config_var("CC") or "gcc"
    return shlex.split(str(command))[0]


def has_venv() -> bool:
    """Whether `python3 -m venv` can work: Debian has ensurepip in a package of its own."""
    try:
        importlib.import_module("venv")
        importlib.import_module("ensurepip")
    except ImportError:
        return False
    return True


def has_compiler() -> bool:
    """Whether the C compiler is there."""
    return shutil.which(compiler()) is not None


def has_libc_headers() -> bool:
    """Whether a C program can include anything; True where there is no compiler to ask."""
    if not has_compiler():
        return True
    source = b"#include <stdlib.h>\n#include <linux/errqueue.h>\n"
    done = subprocess.run(
        [compiler(), "-fsyntax-only", "-x", "c", "-"], input=source, stderr=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


def has_python_headers() -> bool:
    """Whether Python.h is where extension modules of this Python look for it."""
    return Path(sysconfig.get_path("include"), "Python.h").is_file()


def python_package(part: str) -> str:
    """Debian's package with a part ("venv", "dev") of the Python that runs this."""
    default = os.path.realpath(Path(DEBIAN_PREFIX, "bin", "python3"))
    if os.path.realpath(sys.executable) == default:
        return f"python3-{part}"
    return f"python{sys.version_info[0]}.{sys.version_info[1]}-{part}"


def missing() -> list[tuple[str, str]]:
    """(what the build lacks, Debian package that has it), in the order of the checks."""
    checks = (
        (has_venv, "the modules venv and ensurepip", python_package("venv")),
        (has_compiler, "a C compiler", "gcc"),
        (has_libc_headers, "the C library's and the kernel's headers", "libc6-dev"),
        (has_python_headers, "Python.h", python_package("dev")),
    )
    found = [(what, package) for has, what, package in checks if not has()]
    if any(package == "gcc" for _, package in found):
        # gcc only recommends it, and without a compiler nobody could look for headers
        found.append(("the C library's headers", "libc6-dev"))
    return found


def is_from_packages() -> bool:
    """Whether apt-get can add parts to the Python that runs this."""
    return sys.base_prefix == DEBIAN_PREFIX


def install(command: list[str]) -> str | None:
    """Runs apt-get; what went wrong, or None."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["apt-get", "update"], command):
        done = subprocess.run(words, env=environment, check=False)
        if done.returncode != 0:
            return f"'{' '.join(words)}' failed with exit code {done.returncode}"
    importlib.invalidate_caches()
    left = ", ".join(what for what, _ in missing())
    return f"'{' '.join(command)}' did not bring {left}" if left else None


def problem() -> str | None:
    """The one message about what is missing, None where nothing is (any more)."""
    if sys.version_info < NEEDED:
        needed = ".".join(map(str, NEEDED))
        version = ".".join(map(str, sys.version_info[:3]))
        return (
            f"sippx needs Python {needed} or newer, but {sys.executable} is {version}. Where python{needed} is "
            f"installed, run make PYTHON=python{needed}; Debian 12 and newer have it as python3: "
            "apt-get install -y python3 python3-venv python3-dev"
        )
    found = missing()
    if not found:
        return None
    lacks = "to build sippx, this machine lacks " + ", ".join(what for what, _ in found)
    own = [what for what, package in found if package.startswith("python")]
    if own and not is_from_packages():
        return f"{lacks}. {sys.executable} is not Debian's: install it again with {' and '.join(own)}"
    command = ["apt-get", "install", "-y", "--no-install-recommends", *(package for _, package in found)]
    if os.environ.get("SIPPX_APT") == "1" and os.geteuid() == 0 and shutil.which("apt-get"):
        return install(command)
    return f"{lacks}. As root, run: {' '.join(command)}"


if __name__ == "__main__":
    sys.exit(problem())
