"""The platforms for which releases have packages, and what each packager calls them."""

import dataclasses
import platform

GLIBC = "2.28"  # the oldest one on which packages for gnu run


@dataclasses.dataclass(frozen=True)
class Platform:
    triple: str  # of the compiler; names the tarball too
    debian: str  # the architecture
    npm_cpu: str
    libc: str  # as in the end of the package's name for npm
    npm_libc: str  # as in the field of its package.json

    @property
    def npm(self):
        """What npm packages call it, behind their name."""
        return f"linux-{self.npm_cpu}-{self.libc}"

    @property
    def target(self):
        """What cmake/zig.cmake calls it."""
        return f"{self.triple}.{GLIBC}" if self.libc == "gnu" else self.triple

    @property
    def is_native(self):
        return self.triple == f"{platform.machine()}-linux-gnu"


ALL = {each.triple: each for each in (
    Platform("x86_64-linux-gnu", "amd64", "x64", "gnu", "glibc"),
    Platform("aarch64-linux-gnu", "arm64", "arm64", "gnu", "glibc"),
    Platform("x86_64-linux-musl", "amd64", "x64", "musl", "musl"),
    Platform("aarch64-linux-musl", "arm64", "arm64", "musl", "musl"),
)}
