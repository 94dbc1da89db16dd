"""A root directory with nothing in it but a C library, as a machine without compilers, servers and this
checkout: programs run there by chroot, as root, in a mount namespace. Those of another processor run
under qemu's emulator of user programs."""

import fcntl
import os
import pathlib
import platform as host
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
sys.path.insert(0, str(SOURCE / "packaging"))

import platforms  # noqa: E402, F401

LIBC = {"gnu": "libc6", "musl": "musl"}  # Debian's packages
RELEASES = {"gnu": "", "musl": "trixie"}  # of Debian, else this system's; Node.js 24 dies on the musl of 12
_ENTER = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'


def can_make_roots():
    try:
        return subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


def unpacked(architecture, release, *packages):
    """A directory with the files of Debian's packages for that architecture, without those they need."""
    directory = BUILD / "foreign" / "_".join((architecture, release, *packages))
    directory.parent.mkdir(exist_ok=True)
    with open(directory.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other tests want it too
        subprocess.run([SOURCE / "packaging/foreign_root", architecture, directory, *packages], check=True,
                       env={**os.environ, "DEBIAN_RELEASE": release}, stdout=subprocess.DEVNULL)
    return directory


class ScratchRoot:
    """The root for `platform`, one of packaging/platforms.py; it has Debian's `packages` too."""

    def __init__(self, directory, platform, *packages):
        self.path = directory
        self.platform = platform
        self._emulator = []
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self.install(LIBC[platform.libc], *packages)
        for name in ("proc", "dev", "tmp"):
            (directory / name).mkdir(exist_ok=True)
        processor = platform.triple.split("-", maxsplit=1)[0]
        if processor != host.machine():
            shutil.copy(shutil.which(f"qemu-{processor}-static"), directory / "emulator")
            self._emulator = ["/emulator"]

    def install(self, *packages):
        """Adds Debian's packages."""
        files = unpacked(self.platform.debian, RELEASES[self.platform.libc], *packages)
        shutil.copytree(files, self.path, symlinks=True, dirs_exist_ok=True)

    @property
    def emulator(self):
        """What stands before a program of the platform, where another program starts it."""
        return self._emulator

    def command(self, *words):
        """`words` as a command outside; the first is a path inside."""
        return ["unshare", "--mount", "sh", "-c", _ENTER, str(self.path), *self._emulator, *map(str, words)]

    def run(self, *words, environment=None, **options):
        """Runs a program that knows only `environment`, and of no PATH."""
        return subprocess.run(["env", "-i", *(f"{k}={v}" for k, v in (environment or {}).items()),
                               shutil.which("unshare"), *self.command(*words)[1:]], text=True, timeout=600,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
