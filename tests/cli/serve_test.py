"""dlock serve beside real contention: what each path answers, and what it refuses."""

import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.parse

from cli_case import CliCase, DLOCK, PATIENCE, eventually

HOSTILE = b"<script>alert(1)</script>\"'\r\nX: y\\\x1b[31m\xff{}"
SERIES = re.compile(r'([a-z_]+)(?:\{name="((?:[^"\\\n]|\\["\\n])*)"\})? (-?[0-9.]+(?:e[+-]?\d+)?)\Z')


class Serve(CliCase):
    def serve(self, *options):
        self.server_program = self.start("serve", "--listen", "127.0.0.1:0", *options)
        self.server_program.expect("serving ")
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", self.server_program.stdout).group(1))
        self.expect_answer("/healthz", lambda status, _: status == 200)

    def ask(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def json(self, path):
        status, headers, body = self.ask(path)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"), body)
        return json.loads(body)

    def expect_answer(self, path, is_it):
        """Waits until the answer is right; returns its body."""
        last = []
        def look():
            last[:] = self.ask(path)
            return is_it(last[0], last[2])
        self.assertTrue(eventually(look, PATIENCE), last)
        return last[2]

    def expect_waiters(self, count):
        return json.loads(self.expect_answer(
            "/api/v1/locks", lambda _, body: json.loads(body)["totals"]["waiters"] == count))

    def test_locks_waiters_metrics_and_history_are_those_of_the_store(self):
        programs = [self.hold("calm"), self.hold("busy", "--label", "first")]
        for label in ("second", "third"):
            programs.append(self.start("run", "--label", label, "busy", "--", "true"))
            self.wait_for_waiters("busy", len(programs) - 2)
        self.serve("--metrics-busiest", "0", "--metrics-lock", "b*")
        result = self.expect_waiters(2)
        self.assertEqual([lock["name"] for lock in result["locks"]], ["busy", "calm"])
        busy = self.json("/api/v1/locks/busy")
        self.assertEqual([w["label"] for w in busy["waiters"]], ["second", "third"])
        self.assertEqual((busy["holder"]["label"], busy["longest_wait_ms"] > 0, busy["election"]),
                         ("first", True, False))
        self.assertEqual(self.ask("/api/v1/locks/none")[0], 404)
        self.assertEqual([lock["name"] for lock in self.json("/api/v1/locks?filter=ca&limit=5")["locks"]], ["calm"])
        self.assertEqual(self.json("/api/v1/locks?limit=0")["locks"], [])
        for wrong in ("limit=x", "limit=100000", "sort=x"):
            self.assertEqual(self.ask(f"/api/v1/locks?{wrong}")[0], 400)

        text = self.ask("/metrics")[2].decode()
        verdict = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((verdict.returncode, verdict.stdout), (0, ""), text)
        found = {(m[1], m[2]): float(m[3]) for m in map(SERIES.match, text.splitlines()) if m}
        self.assertEqual(found["dlock_store_up", None], 1)
        self.assertEqual((found["dlock_store_locks_held", None], found["dlock_store_waiters", None]), (2, 2))
        self.assertGreater(found["dlock_store_oldest_holder_seconds", None], 0)
        self.assertEqual({name for _, name in found} - {None}, {"busy"})
        self.expect_answer("/api/v1/history", lambda _, body: 2 in [
            bucket["waiters"] for bucket in json.loads(body)["buckets"]])
        self.assertIn("findings", self.json("/api/v1/doctor"))

        for program in programs:
            program.close_stdin()
        self.assertEqual([program.wait() for program in programs], [0] * 4)
        self.expect_waiters(0)
        self.server_program.send(signal.SIGTERM)
        self.assertEqual((self.server_program.wait(), self.server_program.stderr), (0, ""))

    def test_a_leader_is_found_by_balancers(self):
        self.serve()
        self.assertEqual(self.ask("/leader/web")[0], 503)
        leader = self.start("elect", "web", "--value", "host-7:80", "--", "cat")
        body = json.loads(self.expect_answer("/leader/web", lambda status, _: status == 200))
        self.assertEqual(body["value"], "host-7:80")
        metrics = self.expect_answer("/metrics", lambda _, body: b'dlock_election_led{name="web"} 1' in body).decode()
        self.assertIn('dlock_election_candidates{name="web"} 0\n', metrics)
        self.assertIn("dlock_store_oldest_holder_seconds 0\n", metrics)  # a leader is no old holder
        self.assertNotIn('held_seconds{name="web"}', metrics)
        self.assertEqual([(lock["name"], lock["election"]) for lock in self.json("/api/v1/locks")["locks"]],
                         [("web", True)])
        self.assertIs(self.json("/api/v1/locks/web")["election"], True)
        leader.close_stdin()
        self.assertEqual(leader.wait(), 0)
        self.expect_answer("/leader/web", lambda status, _: status == 503)

    def test_events_tell_each_change_and_end_with_the_server(self):
        self.serve()
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream = connection.makefile("rb")
        def expect(text):
            for line in stream:
                if text in line:
                    return
            self.fail(f"the stream ended before {text!r}")
        expect(b"text/event-stream")
        expect(b"event: snapshot")
        holder = self.hold("x")
        expect(b'"name":"x"')
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)
        expect(b'"held":0')
        self.server_program.send(signal.SIGTERM)
        self.assertEqual(self.server_program.wait(), 0)
        stream.read()
        stream.close()
        connection.close()

    def test_hostile_names_inject_nothing(self):
        holder = self.start("run", "--label", HOSTILE, "--", HOSTILE, "sh", "-c", "echo ready; cat")
        holder.expect("ready")
        self.serve()
        self.expect_answer("/api/v1/locks", lambda _, body: len(json.loads(body)["locks"]) == 1)
        name = urllib.parse.quote_from_bytes(HOSTILE, safe="")
        status, headers, body = self.ask(f"/api/v1/locks/{name}")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertEqual(json.loads(body)["holder"]["label"], HOSTILE.decode(errors="replace"))
        self.assertNotIn("X", headers)
        for line in self.ask("/metrics")[2].decode().splitlines():
            self.assertTrue(line.startswith("# ") or SERIES.match(line), line)
        for path in ("/" + name, "/leader/" + name, "/api/v1/locks/nobody" + name):
            status, headers, body = self.ask(path)
            self.assertIn(status, (404, 503))
            self.assertNotIn(b"<script>", body)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_every_answer_is_guarded_and_other_sites_and_writes_are_refused(self):
        self.serve("--allow-host", "locks.example")
        for path in ("/healthz", "/metrics", "/api/v1/locks", "/none"):
            headers = self.ask(path)[1]
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
            self.assertEqual((headers["X-Content-Type-Options"], headers["X-Frame-Options"],
                              headers["Cross-Origin-Resource-Policy"], headers["Cache-Control"]),
                             ("nosniff", "DENY", "same-origin", "no-store"))
            self.assertNotIn("Access-Control-Allow-Origin", headers)
        for host, status in (("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("10.1.2.3", 200),
                             ("LOCKS.example:80", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421),
                             ("localhost.evil.example", 421), ("", 421)):
            self.assertEqual(self.ask("/healthz", Host=host)[0], status, host)
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            self.assertIn(self.ask("/api/v1/locks/x", method)[0], (400, 405), method)

    def test_a_lock_is_taken_away_by_its_fence_with_the_token_only(self):
        token = self.directory / "token"
        token.write_text("0123456789abcdef!\n")
        self.serve("--allow-break", str(token))
        self.assertIs(self.json("/api/v1/about")["may_break"], True)
        holder = self.start("run", "x y", "--", "sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done")
        holder.expect("ready")
        fence = json.loads(self.dlock("info", "--json", "x y").stdout)["fence"]
        path = f"/api/v1/break?name=x%20y&fence={fence}"
        right = {"Authorization": "Bearer 0123456789abcdef!"}
        for status, method, where, headers in (
                (401, "POST", path, {}), (401, "POST", path, {"Authorization": "Bearer 0123456789abcdefX"}),
                (401, "POST", path, {"Authorization": "Bearer "}), (404, "GET", path, right),
                (403, "POST", path, {**right, "Origin": "http://evil.example"}),
                (403, "POST", path, {**right, "Sec-Fetch-Site": "cross-site"}),
                (421, "POST", path, {**right, "Host": "evil.example"}),
                (405, "POST", "/api/v1/locks/x", right), (405, "OPTIONS", path, right),
                (400, "POST", "/api/v1/break?name=x%20y", right), (400, "POST", path + "0" * 20, right),
                (409, "POST", "/api/v1/break?name=x%20y&fence=5", right)):
            self.assertEqual(self.ask(where, method, **headers)[0], status, (method, where, headers))
        self.assertFalse(holder.is_over())
        status, _, body = self.ask(path, "POST", Origin=f"http://127.0.0.1:{self.port}", **right)
        self.assertEqual((status, json.loads(body)["outcome"]), (200, "broken"))
        self.assertEqual(holder.wait(), 73)
        self.server_program.expect_error(f"'x y' was taken from the holder with fence {fence}")

    def test_without_a_good_token_nothing_is_taken_away(self):
        (self.directory / "token").write_text("short\n")
        for file in ("token", "none"):
            result = self.dlock("serve", "--listen", "127.0.0.1:0", "--allow-break", str(self.directory / file))
            self.assertEqual(result.returncode, 71)
            self.assertIn("--allow-break", self.assert_one_message(result.stderr))

    def test_clients_that_do_not_finish_do_not_stop_it_and_cost_the_store_nothing(self):
        self.serve()
        idle = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(20)]
        for one in idle:
            one.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(self.ask("/healthz")[0], 200)
        more = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(24)]
        self.assertEqual(self.ask("/healthz")[0], 200)  # each has two seconds
        clients = self.server.command("CLIENT", "LIST")
        text = clients.decode() if isinstance(clients, bytes) else str(clients)
        self.assertLess(text.count("dlock:"), 4)
        for one in idle + more:
            one.close()
        self.assertEqual(self.ask("/api/v1/locks/" + "n" * 9000)[0], 414)

    def test_it_says_when_the_store_is_gone(self):
        self.serve()
        self.server.kill9()
        self.expect_answer("/healthz", lambda status, _: status == 503)
        until = time.monotonic() + 1.5  # it tries again meanwhile
        while time.monotonic() < until:
            self.assertEqual(self.ask("/healthz")[0], 503)
        self.assertIn(b"\ndlock_store_up 0\n", self.ask("/metrics")[2])
        self.assertEqual(self.ask("/leader/x")[0], 503)
        self.server.restart()
        self.expect_answer("/healthz", lambda status, _: status == 200)

    def test_an_address_that_cannot_be_used_is_an_error(self):
        self.serve()
        result = self.dlock("serve", "--listen", f"127.0.0.1:{self.port}")
        self.assertEqual(result.returncode, 69)
        self.assertIn("another program does", self.assert_one_message(result.stderr))
        self.assertEqual(self.dlock("serve", "--listen", "127.0.0.1:x").returncode, 64)


if __name__ == "__main__":
    if not pathlib.Path(DLOCK).with_name("dlock-serve").exists():
        print("dlock was built without cpp-httplib")
        sys.exit(77)
    unittest.main()
