"""The private server: one for a user on a machine, whatever session, environment or view asks."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from cli_case import clean_environment, DLOCK, is_alive, PATIENCE, Running
from eventually import eventually

SKIPPED = 77
# Variables that a session changes. None of them may lead to another server.
ENVIRONMENTS = {
    "cron": {"HOME": "/", "SHELL": "/bin/sh"},
    "login": {"HOME": "{home}", "XDG_RUNTIME_DIR": "{runtime}", "XDG_STATE_HOME": "{home}/elsewhere"},
    "sudo that keeps the home": {"HOME": "/root", "SUDO_UID": "0", "XDG_RUNTIME_DIR": "/run/user/0"},
    "nothing": {},
    "temporary files elsewhere": {"TMPDIR": "{runtime}", "HOME": ""},
}
# Ways to hide things from a program, as services have them.
VIEWS = {
    "all": [],
    "PrivateTmp": ["mount -t tmpfs -o mode=1777 tmpfs /tmp", "mount -t tmpfs -o mode=1777 tmpfs /var/tmp"],
    "ProtectHome": ["mount -t tmpfs -o mode=755,ro tmpfs {homes}"],
    "ProtectHome=read-only": ["mount --bind {homes} {homes}", "mount -o remount,ro,bind {homes}"],
    "PrivateTmp and ProtectHome": ["mount -t tmpfs -o mode=1777 tmpfs /tmp",
                                   "mount -t tmpfs -o mode=1777 tmpfs /var/tmp",
                                   "mount -t tmpfs -o mode=755 tmpfs {homes}"],
    "PrivateNetwork": ["#net"],
}


def can_unshare():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt && command -v setpriv"],
        capture_output=True, check=False).returncode == 0


class User:
    """One with a home, known to the list of users of those whom it starts; root's work."""

    def __init__(self, has_home=True):
        self.uid = random.randrange(2_000_000_000, 2_100_000_000)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="dlock-users-", dir="/var/lib"))
        self.root.chmod(0o755)
        self.home = self.root / "homes/ann"
        self.runtime = self.root / "run"
        for path in (self.home, self.runtime):
            path.mkdir(parents=True)
            os.chown(path, self.uid, self.uid)
        self.command = shutil.copy(DLOCK, self.root / "dlock")
        os.chmod(self.command, 0o755)
        self.users = self.root / "passwd"
        entry = f"ann:x:{self.uid}:{self.uid}::{self.home}:/bin/sh\n" if has_home else ""
        self.users.write_text(pathlib.Path("/etc/passwd").read_text() + entry)
        self.fallbacks = [pathlib.Path(place) / f"dlock-{self.uid}" for place in ("/var/tmp", "/tmp")]

    def arguments(self, *arguments, view="all"):
        """To run `dlock ARGUMENTS...` as this user, with that view."""
        hide = [step.format(homes=self.root / "homes") for step in VIEWS[view]]
        steps = [f"mount --bind {self.users} /etc/passwd", *(s for s in hide if not s.startswith("#"))]
        become = (f"exec setpriv --reuid {self.uid} --regid {self.uid} --clear-groups "
                  f"-- {self.command} \"$@\"")
        spaces = "-mn" if "#net" in hide else "-m"
        return ["unshare", spaces, "sh", "-ec", "\n".join([*steps, become]), "sh", *arguments]

    def environment(self, name="nothing"):
        values = {k: v.format(home=self.home, runtime=self.runtime)
                  for k, v in ENVIRONMENTS[name].items()}
        return {"PATH": os.environ["PATH"], **values}

    def processes(self, word=b""):
        """The pids of all processes of this user with this word in their commands."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == self.uid and \
                        word in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return [pid for pid in found if is_alive(pid)]

    def servers(self):
        return self.processes(b"redis.sock")

    def close(self):
        while pids := self.processes():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            eventually(lambda pids=pids: not any(map(is_alive, pids)))
        for path in (self.root, *self.fallbacks):
            shutil.rmtree(path, ignore_errors=True)


class Local(unittest.TestCase):
    def make(self, **options):
        user = User(**options)
        self.addCleanup(user.close)
        return user

    def hold(self, user, view="all", environment="nothing"):
        holder = Running(user.arguments("run", "--ttl", "30s", "job", "-c", "echo held; cat", view=view),
                         env=user.environment(environment))
        self.addCleanup(holder.dispose)
        holder.expect("held")
        return holder

    def attempt(self, user, view="all", environment="nothing"):
        """The exit status of one who wants the lock, and does not wait."""
        done = subprocess.run(user.arguments("run", "-n", "job", "--", "true", view=view),
                              env=user.environment(environment), capture_output=True, timeout=PATIENCE,
                              check=False)
        self.said = done.stderr.decode()
        return done.returncode

    def assert_excluded(self, user, **who):
        self.assertEqual(self.attempt(user, **who), 75, (who, self.said))
        self.assertEqual(len(user.servers()), 1, who)

    def test_every_environment_comes_to_the_same_server(self):
        user = self.make()
        for name in ENVIRONMENTS:
            holder = self.hold(user, environment=name)
            for other in ENVIRONMENTS:
                self.assert_excluded(user, environment=other)
            holder.close_stdin()
            self.assertEqual(holder.wait(), 0)
        self.assertTrue((user.home / ".local/state/dlock/redis.sock").is_socket())

    def test_every_view_comes_to_the_same_server(self):
        for first in VIEWS:
            with self.subTest(first=first):
                user = self.make()
                self.hold(user, view=first)
                for other in VIEWS:
                    # Where it can share neither a file nor a name, there is no one server.
                    if "PrivateNetwork" in (first, other) and "Home" in first + other:
                        continue
                    self.assert_excluded(user, view=other)

    def test_a_server_that_died_out_of_reach_of_the_home_leaves_its_locks_to_the_next(self):
        user = self.make()
        holder = self.hold(user, view="ProtectHome")
        holder.send(signal.SIGSTOP)
        for pid in user.servers():
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(eventually(lambda: not user.servers()))
        self.assert_excluded(user)
        holder.send_continue()
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_a_user_without_a_home_has_one_server_too(self):
        user = self.make(has_home=False)
        self.hold(user, environment="login")
        for name in ENVIRONMENTS:
            self.assert_excluded(user, environment=name)
        self.assertTrue((user.fallbacks[0] / "redis.sock").is_socket())

    def test_a_log_out_takes_nothing_away(self):
        user = self.make()
        holder = self.hold(user, environment="login")
        shutil.rmtree(user.runtime)
        self.assert_excluded(user, environment="cron")
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_a_clean_up_takes_nothing_away(self):
        user = self.make(has_home=False)
        self.hold(user)
        shutil.rmtree(user.fallbacks[0])
        self.assert_excluded(user)
        self.assert_excluded(user, view="PrivateTmp")

    def test_a_home_that_is_not_there_is_no_hindrance(self):
        user = self.make()
        user.home.rmdir()
        self.hold(user)
        user.home.mkdir()
        os.chown(user.home, user.uid, user.uid)
        self.assert_excluded(user)

    def test_another_user_is_no_hindrance(self):
        user = self.make(has_home=False)
        user.fallbacks[0].mkdir(mode=0o700)
        self.hold(user)
        self.assert_excluded(user)
        self.assertTrue((user.fallbacks[1] / "redis.sock").is_socket())

    def test_a_server_of_an_earlier_version_is_used(self):
        user = self.make()
        place = user.runtime / "dlock"
        place.mkdir(mode=0o700)
        os.chown(place, user.uid, user.uid)
        as_user = ["setpriv", "--reuid", str(user.uid), "--regid", str(user.uid), "--clear-groups"]
        former = subprocess.Popen([*as_user, "redis-server", "--port", "0", "--unixsocket", "redis.sock",
                                   "--unixsocketperm", "700", "--save", ""], cwd=place,
                                  stdout=subprocess.DEVNULL)
        self.addCleanup(former.wait)
        self.addCleanup(former.kill)
        self.assertTrue(eventually((place / "redis.sock").is_socket))
        self.hold(user, environment="login")
        self.assert_excluded(user, environment="login")
        self.assertEqual(user.servers(), [former.pid])


class Given(unittest.TestCase):
    def test_the_environment_gives_the_directory(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="dlock-test-"))
        self.addCleanup(shutil.rmtree, directory)
        given = str(directory / "mine")
        runs = [DLOCK, "run", "--url", "local:", "job", "--", "true"]
        subprocess.run(runs, env=clean_environment(DLOCK_LOCAL_DIR=given), check=True)
        subprocess.run(["redis-cli", "-s", directory / "mine/redis.sock", "SHUTDOWN"], check=True)
        done = subprocess.run(runs, env=clean_environment(DLOCK_LOCAL_DIR="mine"), capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn(b"DLOCK_LOCAL_DIR is mine, which is not an absolute path", done.stderr)

    def test_a_server_that_cannot_be_looked_at_is_not_doubled(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="dlock-test-", dir="/var/lib"))
        self.addCleanup(shutil.rmtree, directory)
        environment = clean_environment(DLOCK_URL=f"local:{directory}/dlock")
        holder = Running([DLOCK, "run", "job", "-c", "echo held; cat"], env=environment)
        self.addCleanup(holder.dispose)
        holder.expect("held")
        self.addCleanup(os.kill, int((directory / "dlock/redis.pid").read_text()), signal.SIGKILL)
        hide = f'mount -t tmpfs -o mode=755 tmpfs {directory} && exec "$@"'
        for weaken in (["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--"],
                       ["unshare", "-U", "--map-root-user", "--"]):
            weak = ["unshare", "-m", "sh", "-c", hide, "sh", *weaken, DLOCK, "run", "-n", "job", "--", "true"]
            done = subprocess.run(weak, env=environment, capture_output=True, check=False)
            self.assertEqual(done.returncode, 69, weaken)
            self.assertIn(b"cannot reach", done.stderr)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)


if __name__ == "__main__":
    if not can_unshare():
        print("skipped: only root can be other users and hide files from them")
        sys.exit(SKIPPED)
    unittest.main()
