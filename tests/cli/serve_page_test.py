"""The page of dlock serve in a browser, beside real contention: what it shows, keys, sizes, hostile names."""

import json
import pathlib
import re
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "docs"))

import browser  # noqa: E402
from cli_case import CliCase, DLOCK, PATIENCE, eventually  # noqa: E402

HOSTILE = b"<img src=x onerror='document.title=1'>\xe2\x80\xae\"'&lt;\x1b"


class Page(CliCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cls.addClassCleanup(directory.cleanup)
        cls.browser = browser.Browser(directory.name)
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        (self.directory / "token").write_text("0123456789abcdef\n")
        server = self.start("serve", "--listen", "127.0.0.1:0", "--allow-break", str(self.directory / "token"))
        server.expect("serving ")
        self.url = re.search(r"http://\S+", server.stdout).group()
        self.browser.resize(1200, 900)
        self.browser.open(self.url)
        self.addCleanup(self.browser.open, "about:blank")  # or the page misses its server

    def text(self, selector):
        return self.browser.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def expect(self, selector, pattern):
        if not eventually(lambda: re.search(pattern, self.text(selector).replace("\u00a0", " ")), PATIENCE):
            raise AssertionError(f"no {pattern!r} in {selector}: {self.text(selector)!r}, "
                                 f"{self.browser.complaints()}")

    def press(self, *keys):
        for key in keys:
            text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
            for kind in ("keyDown", "keyUp"):
                self.browser.call("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}))

    def assert_well(self):
        self.assertEqual(self.browser.complaints(), [])
        self.assertEqual({url.partition("/")[0] + "//" + url.split("/")[2] for url in self.browser.fetched()},
                         {self.url.rstrip("/")})

    def test_an_empty_store_explains_itself_and_locks_appear_and_go(self):
        self.expect("#state", r"\Alive\Z")
        self.expect("#none", "Nobody holds a lock")
        holder = self.hold("alpha", "--label", "the first")
        self.expect("#locks tbody", r"alpha\s+\S+ dlock \(the first\)\s+0\s")
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)
        self.expect("#none", "Nobody holds a lock")
        self.assert_well()

    def test_a_lock_with_its_queue_by_keyboard(self):
        programs = [self.hold("busy", "--label", "first")]
        for label in ("second", "third"):
            programs.append(self.start("run", "--label", label, "busy", "--", "true"))
            self.wait_for_waiters("busy", len(programs) - 1)
        programs.append(self.hold("calm"))
        self.expect("#locks tbody", r"(?s)busy.*\s2\s.*calm")
        self.expect("#totals", r"(?s)2\s+waiting")
        self.press("j", "Enter")
        self.expect("#detail", r"(?s)busy.*first.*Queue.*1\s.*second.*2\s.*third")
        self.expect("#blocks", r"(?s)\(first\) blocks 2.*\(second\) waits .* for busy")
        self.expect("#charts", "waiting: 2 in the last ten seconds")
        self.press("Escape")
        self.assertTrue(self.browser.evaluate("document.querySelector('#detail').hidden"))
        self.press("/", "c", "a", "l")
        self.expect("#locks tbody", r"\Acalm")
        self.assertNotIn("busy", self.text("#locks tbody"))
        for program in programs:
            program.close_stdin()
        self.assertEqual([program.wait() for program in programs], [0] * 4)
        self.assert_well()

    def test_a_lock_is_taken_away_by_who_types_its_fence_and_the_token(self):
        holder = self.start("run", "x", "--", "sh", "-c", "echo ready; exec sleep 60")
        holder.expect("ready")
        self.expect("#locks tbody", r"\Ax\s")
        self.browser.evaluate("document.querySelector('#locks button').click()")
        self.expect("#detail", "Take it from .* dlock")
        self.browser.evaluate("document.querySelector('#detail-body button').click()")
        fence = json.loads(self.dlock("info", "--json", "x").stdout)["fence"]
        self.expect("#break-what", fence)
        for typed, token, answer in ((fence, "wrong", "send the token"), ("5", "0123456789abcdef", "No holder"),
                                     (fence, "0123456789abcdef", "It was taken away")):
            self.browser.evaluate(f"""document.querySelector('#break-fence').value = '{typed}';
                document.querySelector('#break-token').value = '{token}';
                document.querySelector('#break-form').requestSubmit()""")
            self.expect("#break-answer", answer)
        self.assertEqual(holder.wait(), 73)

    def test_chains_of_waits_and_rings_are_drawn(self):
        # Three clients, each of which holds the lock of its number and waits for the one before.
        now = int(time.time() * 1e6)
        token = "dlock1:{0:016x}:{1:032x}:3000".format
        for i in (1, 2, 3):
            self.server.command("SET", f"lock{i}", f"{token(i, i)}:{now}:0", "PX", "60000")
            if i > 1:
                self.server.command("ZADD", f"dlock1:qw:{{lock{i - 1}}}", str(now), token(i, i + 10))
        self.expect("#blocks", r"(?s)\(client 0000000000000001\) blocks 2.*0000000000000002\) waits .* for lock1"
                               r".*0000000000000003\) waits .* for lock2")
        for i, other in ((1, 2), (2, 1)):
            self.server.command("SET", f"dlock1:waits:{token(i, i)}", f"wait 1 lock{other}", "PX", "60000")
        for i, other in ((1, 2), (2, 1)):
            self.expect("#rings", rf"lock{i} is held by .*000{i}\), which waits for lock{other}")
        # The holder of lock4 waits for lock1 too, in a program that it started: those two count as one.
        self.server.command("SET", "lock4", f"{token(4, 4)}:{now}:0", "PX", "60000")
        self.server.command("ZADD", "dlock1:qw:{lock4}", str(now), token(5, 5))
        self.server.command("ZADD", "dlock1:qw:{lock1}", str(now), token(6, 6))
        self.server.command("SET", f"dlock1:waits:{token(4, 4)}", "wait 1 lock1", "PX", "60000")
        self.expect("#blocks", r"(?s)0006\) waits .* for lock1.*0004\) waits for lock1 in a program that it started"
                               r".*0005\) waits .* for lock4")
        self.expect("#blocks", r"\(client 0000000000000001\) blocks 4\n")  # 2, 3, 5 and 6
        self.server.command("FLUSHALL")
        self.assert_well()

    def test_a_search_finds_all_locks_also_beyond_those_shown(self):
        now = int(time.time() * 1e6)
        for i in range(600):
            self.server.command("SET", f"lock{i:03}", f"dlock1:{1:016x}:{i:032x}:3000:{now}:0", "PX", "60000")
        self.expect("#state", "the longest queues of 600 locks")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('#locks tbody tr').length"), 500)
        self.press("/", "k", "5", "9", "9")
        self.expect("#locks tbody", r"\Alock599\s[^\n]*\Z")
        self.browser.evaluate("document.querySelector('#locks button').click()")
        self.expect("#detail", "(?s)lock599.*Holders")
        self.server.command("FLUSHALL")
        self.assert_well()

    def test_elections_latches_barriers_and_the_doctor(self):
        programs = [self.start("elect", "web", "--value", "host-7", "--", "sh", "-c", "echo leads; cat"),
                    self.start("latch", "--count", "3", "ready"), self.start("barrier", "--parties", "2", "phase")]
        programs[0].expect("leads")
        candidate = self.start("elect", "web", "--value", "host-8", "--", "true")
        self.wait_for_waiters("web", 1)
        self.expect("#locks tbody", r"web\s.*\s1\s")
        self.expect("#blocks", r"\ANobody waits\.\Z")  # a leader blocks nobody
        self.browser.evaluate("document.querySelector('#locks button').click()")
        self.expect("#detail", r"(?s)election.*Queue, in order\s+.*1\s")
        self.browser.evaluate("document.querySelector('#others').open = true")
        self.expect("#others", r"(?s)web\s+host-7\s.*ready\s+3 of 3\s+1\s.*phase\s+1 of 2")
        self.browser.evaluate("document.querySelector('#doctor').open = true")
        self.expect("#doctor", "maxmemory-policy noeviction")
        programs[0].close_stdin()
        self.assertEqual((programs[0].wait(), candidate.wait()), (0, 0))
        self.assert_well()
        self.leaves_keys = True  # a latch exists for an hour

    def test_hostile_names_are_text_also_on_a_phone_in_both_colours(self):
        long = "n" * 300
        holders = [self.start("run", "--label", HOSTILE, "--", name, "sh", "-c", "echo ready; cat")
                   for name in (HOSTILE, long)]
        for holder in holders:
            holder.expect("ready")
        self.expect("#locks tbody", re.escape("<img src=x onerror='document.title=1'>\\u202e\"'&lt;\\u001b"))
        self.browser.evaluate("document.querySelector('#locks button').click()")
        self.expect("#detail", "Holders")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('img').length"), 0)
        self.assertEqual(self.browser.evaluate("document.title"), "dlock")
        self.browser.resize(360, 740)
        grounds = set()
        for colours in ("light", "dark"):
            self.browser.prefer(colours)
            self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"), 360)
            grounds.add(self.browser.evaluate("getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(grounds), 2)
        for holder in holders:
            holder.close_stdin()
            self.assertEqual(holder.wait(), 0)
        self.assert_well()

    def test_it_says_when_the_server_or_the_store_is_gone(self):
        self.expect("#state", "live")
        self.server.kill9()
        self.expect("#state", "cannot read the store")
        self.server.restart()
        self.expect("#state", r"\Alive")


if __name__ == "__main__":
    if not browser.PROGRAM or not pathlib.Path(DLOCK).with_name("dlock-serve").exists():
        print("no Chromium here, or dlock was built without cpp-httplib")
        sys.exit(77)
    unittest.main()
