"""The container: there is no engine here, so a root is made as the Dockerfile says, and the commands of
the compose file run in it."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
DEPS = SOURCE / ".deps"
CONTAINER = SOURCE / "packaging/container"
PACKAGES = BUILD / "release/container"
sys.path[:0] = [str(SOURCE / "tests/support"), str(SOURCE / "packaging")]

import platforms  # noqa: E402
from eventually import eventually, eventually_answers  # noqa: E402
from redis_server import free_port  # noqa: E402
from scratch_root import can_make_roots  # noqa: E402

ENTER = """
mkdir -p "$0/packages"
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --bind "$PACKAGES" "$0/packages" &&
exec chroot $USERSPEC "$0" "$@"
"""


def instructions():
    """The Dockerfile's, as (NAME, TEXT)."""
    text = re.sub(r"(?m)^#.*\n", "", (CONTAINER / "Dockerfile").read_text()).replace("\\\n", " ")
    return re.findall(r"(?m)^([A-Z]+) +(.+)$", text)


def compose():
    """The compose file, read by a Python that knows YAML."""
    script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)"
    return json.loads(subprocess.check_output([DEPS / "site/bin/python", "-c", script, CONTAINER / "compose.yaml"]))


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.platform = next(each for each in platforms.ALL.values() if each.is_native)
        subprocess.run([SOURCE / "scripts/package", "deb", "--platform", cls.platform.triple, "--output", PACKAGES],
                       check=True, stdout=subprocess.DEVNULL)
        cls.root = BUILD / "release/container-root"
        cls.instructions = instructions()
        (base,) = [text for name, text in cls.instructions if name == "FROM"]
        assert base == "debian:12-slim"
        shutil.rmtree(cls.root, ignore_errors=True)
        made = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", cls.root], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        assert made.returncode == 0, made.stdout
        for name, text in cls.instructions:
            if name == "RUN":
                script = re.sub(r"--mount=\S+ ", "", text)
                cls.enter("sh", "-c", script, check=True, environment={"TARGETARCH": cls.platform.debian})
        cls.user = dict(cls.instructions)["USER"]
        cls.entry = json.loads(dict(cls.instructions)["ENTRYPOINT"])
        cls.services = compose()["services"]

    @classmethod
    def enter(cls, *words, environment=None, user="0:0", start=subprocess.run, **options):
        """Runs a command in the root, as the first process of a container."""
        inside = {"PACKAGES": str(PACKAGES), "USERSPEC": f"--userspec={user}", "PATH": os.environ["PATH"],
                  **(environment or {})}
        return start(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, str(cls.root),
                      *words], env=inside, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)

    def service(self, name, url, **changes):
        """Starts the command of a service, with `changes` of its words."""
        words = [word.replace("$$", "$") for word in self.services[name]["command"]]
        words = [changes.get(word, word) for word in words]
        process = self.enter(*self.entry, *words, user=self.user, environment={"DLOCK_URL": url},
                             start=subprocess.Popen)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        """With the first process of its namespace, which --kill-child does not end once that is another user's."""
        if process.poll() is None:
            for child in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            process.kill()

    def start_redis(self):
        port = free_port()
        server, *options = self.services["redis"]["command"]
        directory = self.root / "tmp"
        process = subprocess.Popen([server, *options, "--port", str(port), "--dir", str(directory)],
                                   stdout=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        check = ["redis-cli", "-p", str(port), "ping"]
        self.assertTrue(eventually(lambda: subprocess.run(check, capture_output=True).stdout == b"PONG\n"))
        return f"redis://127.0.0.1:{port}"

    def test_workers_take_turns_and_the_page_shows_them(self):
        url = self.start_redis()
        workers = [self.service("worker", url) for _ in range(self.services["worker"]["deploy"]["replicas"])]
        lines = [worker.stdout.readline() for worker in workers]
        fences = [int(re.search(r"has its turn, fence (\d+)$", line).group(1)) for line in lines]
        self.assertEqual(len(set(fences)), 2)
        port = free_port()
        page = self.service("page", url, **{"0.0.0.0:8650": f"127.0.0.1:{port}"})
        self.assertIn("8650", str(self.services["page"]["ports"]))
        self.assertTrue(eventually(lambda: "serving" in page.stdout.readline()))
        self.assertTrue(eventually_answers(f"http://127.0.0.1:{port}/healthz"))
        self.assertEqual([worker.wait(30) for worker in workers], [0, 0])

    def test_the_image_does_without_arguments(self):
        words = json.loads(dict(self.instructions)["CMD"])
        done = self.enter(*self.entry, *words, user=self.user)
        self.assertEqual(done.returncode, 0)
        self.assertIn("dlock run", done.stdout)

    def test_hadolint_finds_nothing(self):
        hadolint = DEPS / "release/bin/hadolint"
        if not hadolint.is_file():
            self.skipTest("hadolint is not installed")
        done = subprocess.run([hadolint, CONTAINER / "Dockerfile"], stdout=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


if __name__ == "__main__":
    if not (can_make_roots() and shutil.which("debootstrap") and (DEPS / "site/bin/python").exists()):
        print("skipped: this user may not make namespaces, or debootstrap or MkDocs' Python is missing")
        sys.exit(77)
    unittest.main()
