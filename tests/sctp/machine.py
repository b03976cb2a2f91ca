"""Runs the tests of this folder in a virtual machine whose kernel has SCTP: Debian's, started by qemu.

    python tests/sctp/machine.py [WORDS FOR PYTEST]

The guest sees the host's file system read-only (9p) and uses this Python, this tree and this build as they are; what it
writes goes to memory of its own. It has no network device: its traffic stays on its loopback. Kernel, modules and
busybox are taken out of Debian packages that are downloaded once, never installed, into ~/.cache/sippx/sctp (or
$XDG_CACHE_HOME). SIPPX_QEMU_ACCEL: what qemu runs the guest with, `tcg` unless it says `kvm`; SIPPX_SCTP_TIMEOUT_S:
seconds until the machine is ended, 600 unless it says others; SIPPX_QEMU_MEMORY_MB: its memory, 1024. Variables of
tests (SIPPX_MANY_...) reach the guest. Where something is missing, one line says what, and the
exit code is 0.
"""

from __future__ import annotations

import gzip
import lzma
import os
import platform
import re
import selectors
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONSOLE = ROOT / "build" / "sctp" / "console.log"
QEMU = "qemu-system-x86_64"
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "crc32c_generic", "sctp", "sctp_diag")
"""Loaded in this order, each after those it depends on."""
BEGIN, END = "sippx-guest: begin", "sippx-guest: end "
DOWNLOAD_TIMEOUT_S = 300


class Missing(Exception):
    """Something that the machine needs is not here."""


# ---- what the guest is made of --------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where downloaded parts are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sippx" / "sctp"


def parts() -> Path:
    """The folder with `vmlinuz`, `busybox` and modules (`*.ko`); made where it is not there yet."""
    folder = cache_folder() / "parts"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            made = Path(work, "parts")
            made.mkdir()
            take_kernel(download(kernel_package(), Path(work)), made)
            take_busybox(download("busybox-static", Path(work)), made)
            made.rename(folder)
    return folder


def kernel_package() -> str:
    """The package that linux-image-amd64 stands for today."""
    shown = apt("apt-cache", "depends", "linux-image-amd64")
    found = re.search(r"Depends: (linux-image-\S+)", shown)
    if found is None:
        raise Missing("apt knows no linux-image-amd64 (apt-get update?)")
    return found[1]


def download(package: str, folder: Path) -> Path:
    """The .deb of a package."""
    print(f"sctp-test: downloading {package}", flush=True)
    apt("apt-get", "download", "-q", package, cwd=folder)
    return next(folder.glob(f"{package}_*.deb"))


def apt(*words: str, cwd: Path | None = None) -> str:
    """What an apt command prints."""
    if not shutil.which(words[0]) or not shutil.which("dpkg-deb"):
        raise Missing("Debian's apt-get and dpkg-deb, which get the guest's kernel")
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S)
    if done.returncode:
        raise Missing(f"{shlex.join(words)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout


def take_kernel(package: Path, folder: Path) -> None:
    """Put the kernel and the modules of MODULES, and those they depend on, into a folder."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as unpacked:
        subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True, timeout=DOWNLOAD_TIMEOUT_S)
        shutil.copy(next(Path(unpacked, "boot").glob("vmlinuz-*")), folder / "vmlinuz")
        files = {
            path.name.partition(".")[0].replace("-", "_"): path for path in Path(unpacked).glob("**/modules/**/*.ko*")
        }
        for name in load_order(files):
            path = files[name]
            content = path.read_bytes()
            (folder / f"{name}.ko").write_bytes(lzma.decompress(content) if path.suffix == ".xz" else content)
    package.unlink()


def take_busybox(package: Path, folder: Path) -> None:
    """Put the static busybox into a folder."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as unpacked:
        subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True, timeout=DOWNLOAD_TIMEOUT_S)
        shutil.copy(next(path for path in Path(unpacked).glob("**/bin/busybox")), folder / "busybox")
    package.unlink()


def load_order(files: Mapping[str, Path]) -> list[str]:
    """MODULES and those they depend on, each after what it needs."""
    order: list[str] = []

    def add(name: str) -> None:
        for needed in dependencies(files[name]):
            add(needed)
        if name not in order:
            order.append(name)

    for name in MODULES:
        if name in files:  # else it is built into the kernel
            add(name)
    return order


def dependencies(module: Path) -> list[str]:
    """Names of the modules that a module needs."""
    content = module.read_bytes()
    found = re.search(rb"\0depends=([^\0]*)\0", lzma.decompress(content) if module.suffix == ".xz" else content)
    return found[1].decode().replace("-", "_").split(",") if found and found[1] else []


# ---- the initial file system ----------------------------------------------------------------------------

INIT = """#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in {modules}; do insmod /modules/$module.ko || echo "cannot load $module"; done
ifconfig lo up
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /host || echo 'cannot mount the host'
for folder in proc sys dev; do mount -o bind /$folder /host/$folder; done
mount -t tmpfs tmpfs /host/run
mkdir /host/dev/shm /host/run/home /host/run/tmp
mount -t tmpfs tmpfs /host/dev/shm
cp /job /host/run/job
echo "up after $(cut -d' ' -f1 /proc/uptime) s, with $(uname -sr)"
chroot /host /bin/sh /run/job
echo "powered off after $(cut -d' ' -f1 /proc/uptime) s"
reboot -f
"""

APPLETS = ("sh", "mount", "mkdir", "insmod", "ifconfig", "chroot", "reboot", "cp", "cut", "uname", "echo")


def initramfs(made_of: Path, job: str) -> bytes:
    """The compressed archive that the kernel unpacks: /init brings the guest up and runs the script `job`."""
    modules = load_order({path.stem: path for path in made_of.glob("*.ko")})
    entries: list[tuple[str, int, bytes]] = [
        (folder, 0o040755, b"") for folder in ("bin", "dev", "proc", "sys", "host", "modules")
    ]
    entries += [(f"bin/{name}", 0o120777, b"busybox") for name in APPLETS]
    entries.append(("bin/busybox", 0o100755, (made_of / "busybox").read_bytes()))
    entries += [(f"modules/{name}.ko", 0o100644, (made_of / f"{name}.ko").read_bytes()) for name in modules]
    entries.append(("init", 0o100755, INIT.format(modules=" ".join(modules)).encode()))
    entries.append(("job", 0o100755, job.encode()))
    return gzip.compress(b"".join(archive(entries)), 1)


def archive(entries: Sequence[tuple[str, int, bytes]]) -> Iterator[bytes]:
    """A cpio archive, format newc, of (path, mode, content)."""
    for number, (path, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        name = path.encode() + b"\0"
        numbers = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % value for value in numbers) + name
        yield head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


# ---- the run --------------------------------------------------------------------------------------------


def job(words: Sequence[str], timeout_s: float) -> str:
    """The script that the guest runs; pytest is interrupted after timeout_s, so that it says what it knows."""
    environment = {
        "HOME": "/run/home",
        "TMPDIR": "/run/tmp",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "SIPPX_SCTP": "required",
        **{name: value for name, value in os.environ.items() if name.startswith("SIPPX_MANY_")},
    }
    pytest = ["timeout", "-s", "INT", "-k", "25", f"{timeout_s:.0f}", sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", *(words or ["tests/sctp"])]  # fmt: skip
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())
    return (
        f"{exports}\ncd {shlex.quote(str(ROOT))}\necho {shlex.quote(BEGIN)}\n"
        f"{{ {shlex.join(pytest)}; echo {shlex.quote(END)}$?; }} </dev/null 2>&1 | cat\n"
    )


def command(kernel: Path, initrd: Path) -> list[str]:
    """How qemu is started: a serial line on stdout, the host's files, nothing else."""
    accelerator = os.environ.get("SIPPX_QEMU_ACCEL", "tcg")
    return [
        *(["nice", "-n", "10"] if shutil.which("nice") else []), QEMU,
        "-accel", accelerator, "-cpu", "max" if accelerator == "tcg" else "host", "-m", os.environ.get("SIPPX_QEMU_MEMORY_MB", "1024"), "-smp", "2",
        "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-nic", "none",
        "-kernel", str(kernel), "-initrd", str(initrd),
        "-append", "console=ttyS0 panic=-1 quiet mitigations=off",
        "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
    ]  # fmt: skip


def run(words: Sequence[str], timeout_s: float) -> int:
    """Start the machine, show what the tests print, and return pytest's exit code; 125: it did not come so far."""
    made_of = parts()
    CONSOLE.parent.mkdir(parents=True, exist_ok=True)
    code = 125
    shown = False
    with tempfile.NamedTemporaryFile(suffix=".initrd") as initrd, CONSOLE.open("w") as log:
        initrd.write(initramfs(made_of, job(words, max(timeout_s - 45, 30))))
        initrd.flush()
        for line in console(command(made_of / "vmlinuz", Path(initrd.name)), timeout_s):
            log.write(line + "\n")
            if END in line:
                code, shown = int(line.partition(END)[2]), False
            if shown:
                print(line, flush=True)
            shown = shown or BEGIN in line
    if code == 125:
        print(CONSOLE.read_text())
    return code


def console(argv: Sequence[str], timeout_s: float) -> Iterator[str]:
    """Lines of the guest's console until qemu ends; it is ended after timeout_s."""
    end = time.monotonic() + timeout_s
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    waiting = selectors.DefaultSelector()
    waiting.register(process.stdout, selectors.EVENT_READ)
    held = b""
    try:
        while waiting.select(max(0.0, end - time.monotonic())):
            received = os.read(process.stdout.fileno(), 65536)
            *lines, held = (held + received).split(b"\n")
            if not received:
                lines, held = [held] if held else [], b""
            yield from (line.decode("utf-8", "backslashreplace").rstrip("\r") for line in lines)
            if not received:
                return
        yield held.decode("utf-8", "backslashreplace")
        yield f"sctp-test: ended after {timeout_s:.0f} s"
    finally:
        process.kill()
        process.wait(60)
        process.stdout.close()


def main(words: Sequence[str]) -> int:
    """The exit code."""
    begun = time.monotonic()
    try:
        if platform.machine() != "x86_64":
            raise Missing("an x86_64 machine, as the guest uses this machine's programs")
        if not shutil.which(QEMU):
            raise Missing(f"{QEMU} (apt-get install --no-install-recommends qemu-system-x86)")
        code = run(words, float(os.environ.get("SIPPX_SCTP_TIMEOUT_S", "600")))
    except Missing as missing:
        print(f"sctp-test: skipped, this needs {missing}")
        return 0
    verdict = {0: "passed", 125: "the guest did not run the tests"}.get(code, f"failed, pytest's exit code {code}")
    print(f"sctp-test: {verdict}, {time.monotonic() - begun:.1f} s; console in {CONSOLE.relative_to(ROOT)}")
    return 0 if code == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
