"""The dlock command and servers that cannot be used: one line that says what to do, 69, no password."""

import re
import socket
import unittest

from cli_case import CliCase, DLOCK, PATIENCE, RedisServer, clean_environment
from moved_clock import MovedClock

COMMANDS = (["run", "--wait", "100ms", "x", "--", "echo", "ran"], ["run", "-n", "x", "--", "echo", "ran"], ["ls"], ["info", "x"],
            ["break", "x", "--fence", "77"])
SECRET = "s3cr3t-p4ss"


class StoreErrors(CliCase):
    def assert_refused(self, *arguments, status=69, says=None):
        result = self.dlock(*arguments)
        self.assertEqual((result.returncode, result.stdout), (status, b""), (arguments, result))
        message = self.assert_one_message(result.stderr)
        self.assertNotIn(SECRET, message)
        if says:
            self.assertRegex(message, re.compile(says, re.IGNORECASE))
        return message

    def use(self, url):
        self.environment["DLOCK_URL"] = url

    def test_a_malformed_url_is_wrong_usage(self):
        for url in ("nonsense", "http://host", "redis://", "redis://host:port", "redis://host:99999",
                    f"redis://:{SECRET}@host:x", "redis://host/db", "redis+unix://"):
            with self.subTest(url=url):
                self.use(url)
                for arguments in COMMANDS:
                    self.assert_refused(*arguments, status=64)

    def test_an_unreachable_server_is_69(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound but not listening: refuses
            self.use(f"redis://:{SECRET}@127.0.0.1:{taken.getsockname()[1]}")
            for arguments in COMMANDS:
                self.assert_refused(*arguments, says="127.0.0.1")
        self.use("redis+unix:///no/such/socket")
        for arguments in COMMANDS:
            self.assert_refused(*arguments, says="/no/such/socket")

    def test_a_host_that_does_not_exist_is_69(self):
        self.use(f"redis://:{SECRET}@no-such-host.invalid")
        self.assert_refused("run", "-n", "x", "true", says="no-such-host.invalid")

    def test_a_server_that_hangs_is_69(self):
        self.server.stop()
        try:
            self.assert_refused("run", "-n", "x", "true")
        finally:
            self.server.cont()

    def test_a_server_that_starts_later_is_waited_for(self):
        self.server.kill9()
        with socket.create_server(("127.0.0.1", self.server.port)) as nobody:
            waiter = self.start("run", "x", "--", "echo", "ran")
            nobody.accept()[0].close()
        self.server.restart()
        self.assertEqual((waiter.wait(), waiter.stdout), (0, "ran\n"), waiter.stderr)

    def test_the_wait_covers_a_server_that_starts_later_than_the_patience(self):
        clock = MovedClock("DLOCK_BOOT_OFFSET_FILE")
        self.addCleanup(clock.close)
        self.environment.update(clock.environment)
        self.server.kill9()
        with socket.create_server(("127.0.0.1", self.server.port)) as nobody:
            nobody.settimeout(PATIENCE)
            waiter = self.start("run", "--wait", "1h", "x", "--", "echo", "ran")
            nobody.accept()[0].close()
            clock.step(60)
            nobody.accept()[0].close()
        self.server.restart()
        self.assertEqual((waiter.wait(), waiter.stdout), (0, "ran\n"), waiter.stderr)

    def test_a_peer_that_is_no_redis_is_69(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            self.use(f"redis://127.0.0.1:{server.getsockname()[1]}")
            process = self.start("run", "--wait", "100ms", "x", "true")
            while not process.is_over():
                server.settimeout(0.1)
                try:
                    peer, _ = server.accept()
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    peer.close()
                except TimeoutError:
                    pass
            self.assertEqual(process.wait(), 69)
            self.assert_one_message(process.stderr.encode())

    def test_a_wrong_type_is_69(self):
        self.server.command("LPUSH", "x", "a")
        self.assert_refused("run", "x", "true", says="lock")
        self.server.command("DEL", "x")


class Passwords(CliCase):
    CONFIG = (f"requirepass {SECRET}",)

    def setUp(self):
        self.server.client = lambda **options: RedisServer.client(self.server, password=SECRET, **options)
        super().setUp()

    def assert_refused(self, url):
        for arguments in COMMANDS:
            result = self.dlock(*arguments, env={**self.environment, "DLOCK_URL": url})
            self.assertEqual((result.returncode, result.stdout), (69, b""))
            message = self.assert_one_message(result.stderr)
            self.assertNotIn(SECRET, message)
            self.assertNotIn("wr0ng", message)

    def test_a_missing_or_wrong_password_is_69_and_is_not_shown(self):
        self.assert_refused(self.server.url)
        self.assert_refused(f"redis://:wr0ng@127.0.0.1:{self.server.port}")
        self.assert_refused(f"redis://nobody:{SECRET}@127.0.0.1:{self.server.port}")

    def test_the_password_is_used_and_not_passed_on(self):
        url = f"redis://:{SECRET}@127.0.0.1:{self.server.port}"
        script = "tr '\\0' '\\n' </proc/self/environ; tr '\\0' ' ' </proc/self/cmdline"
        for options, environment in (([], {"DLOCK_URL": url}), (["--url", url], {})):
            result = self.dlock("run", "-v", *options, "x", "--", "sh", "-c", script,
                                env={**clean_environment(), **environment})
            self.assertEqual(result.returncode, 0, result)
            self.assertNotIn(SECRET.encode(), result.stdout + result.stderr)
            self.assertIn(f"DLOCK_URL=redis://127.0.0.1:{self.server.port}\n".encode(), result.stdout)

    def test_a_password_with_special_characters_may_be_percent_encoded(self):
        self.server.command("ACL", "SETUSER", "ann", "on", ">p@ss:/w%rd", "~*", "&*", "+@all")
        self.environment["DLOCK_URL"] = f"redis://ann:p%40ss%3A%2Fw%25rd@127.0.0.1:{self.server.port}"
        self.assertEqual(self.dlock("run", "x", "--", "echo", "ran").stdout, b"ran\n")

    def test_a_nested_run_needs_the_password_again(self):
        url = f"redis://:{SECRET}@127.0.0.1:{self.server.port}"
        result = self.dlock("run", "--url", url, "x", "--", DLOCK, "run", "y", "true")
        self.assertEqual(result.returncode, 69)
        result = self.dlock("run", "--url", url, "x", "--", DLOCK, "run", "--url", url, "y", "echo", "ran")
        self.assertEqual((result.returncode, result.stdout), (0, b"ran\n"))


if __name__ == "__main__":
    unittest.main()
