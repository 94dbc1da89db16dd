"""rediss://: what is verified, what is refused, and that locks work over it."""

import pathlib
import socket
import sys
import tempfile
import unittest

from cli_case import CliCase

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from certificates import Authority  # noqa: E402
from tls_server import TlsServer  # noqa: E402

NAMES = "DNS:localhost,IP:127.0.0.1"


class Tls(CliCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="dlock-test-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory_of_keys = directory.name
        cls.authority = Authority(directory.name)
        cls.certificate = cls.authority.issue("server", NAMES)
        cls.server = TlsServer(cls.authority, cls.certificate)
        cls.addClassCleanup(cls.server.close)

    def serve(self, certificate, asks=False):
        server = TlsServer(self.authority, certificate, asks)
        self.addCleanup(server.close)
        return server

    def try_url(self, url):
        # A try does not wait for a server that is not there.
        return self.dlock("run", "-n", "--url", url, "job", "--", "echo", "ran")

    def assert_works(self, url):
        result = self.try_url(url)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"ran\n", b""), url)

    def assert_refused(self, url, *says, status=69):
        result = self.try_url(url)
        self.assertEqual((result.returncode, result.stdout), (status, b""), result)
        message = self.assert_one_message(result.stderr)
        for words in says:
            self.assertIn(words, message)

    def test_a_server_with_a_certificate_of_a_known_authority_is_used(self):
        self.assert_works(self.server.tls_url(ca=self.authority.ca))
        self.assert_works(self.server.tls_url("127.0.0.1", ca=self.authority.ca))

    def test_a_name_that_is_longer_than_what_a_socket_takes_at_once_arrives(self):
        name = "n" * 100_000
        url = self.server.tls_url(ca=self.authority.ca)
        result = self.dlock("run", "--url", url, name, "sh", "-c", "echo ${#DLOCK_NAME}")
        self.assertEqual((result.returncode, result.stdout), (0, b"100000\n"), result.stderr)

    def test_a_nested_command_gets_the_options_of_tls(self):
        url = self.server.tls_url(ca=self.authority.ca)
        result = self.dlock("run", "--url", url, "job", "printenv", "DLOCK_URL")
        self.assertEqual(result.stdout.decode(), f"{url}\n", result)

    def test_an_authority_that_is_not_known_is_refused(self):
        self.assert_refused(self.server.tls_url(), "not trusted", "?ca=")
        other = Authority(self.directory, "other")
        self.assert_refused(self.server.tls_url(ca=other.ca), "not trusted", "?ca=")

    def test_a_self_signed_certificate_is_refused(self):
        server = self.serve(self.authority.self_signed("self", NAMES))
        self.assert_refused(server.tls_url(ca=self.authority.ca), "self-signed", "?ca=")

    def test_a_certificate_for_another_host_is_refused(self):
        server = self.serve(self.authority.issue("elsewhere", "DNS:elsewhere.example"))
        for host in ("localhost", "127.0.0.1"):
            self.assert_refused(server.tls_url(host, ca=self.authority.ca), "mismatch",
                                f"it is not for {host}", "?name=")
        self.assert_works(server.tls_url(ca=self.authority.ca, name="elsewhere.example"))

    def test_a_certificate_that_is_over_is_refused(self):
        server = self.serve(self.authority.issue("old", NAMES, end="20200102000000Z"))
        self.assert_refused(server.tls_url(ca=self.authority.ca), "expired")
        server = self.serve(self.authority.issue("young", NAMES, start="20980101000000Z"))
        self.assert_refused(server.tls_url(ca=self.authority.ca), "not yet valid")

    def test_verify_no_takes_any(self):
        server = self.serve(self.authority.self_signed("any", "DNS:elsewhere.example"))
        self.assert_works(server.tls_url(verify="no"))

    def test_a_server_that_asks_for_certificates_gets_ours(self):
        server = self.serve(self.certificate, asks=True)
        certificate, key = self.authority.issue("client", "DNS:client")
        self.assert_works(server.tls_url(ca=self.authority.ca, cert=certificate, key=key))
        self.assert_refused(server.tls_url(ca=self.authority.ca), "certificate")
        stranger = Authority(self.directory, "stranger").issue("client", "DNS:client")
        self.assert_refused(server.tls_url(ca=self.authority.ca, cert=stranger[0], key=stranger[1]),
                            "certificate")

    def test_files_that_cannot_be_used_are_wrong_usage(self):
        certificate, key = self.authority.issue("client2", "DNS:client")
        other_key = self.authority.issue("client3", "DNS:client")[1]
        for options, says in [({"ca": "/nowhere"}, "CA file /nowhere"),
                              ({"cert": "/nowhere", "key": key}, "certificate /nowhere"),
                              ({"cert": certificate, "key": "/nowhere"}, "key /nowhere"),
                              ({"cert": certificate, "key": other_key}, "belong to the certificate"),
                              ({"cert": key, "key": key}, "certificate")]:
            self.assert_refused(self.server.tls_url(**{"ca": self.authority.ca, **options}), says, status=64)

    def test_a_port_without_tls_says_so(self):
        url = f"rediss://localhost:{self.server.port}?ca={self.authority.ca}"
        self.assert_refused(url, "TLS port")
        self.assert_refused(f"redis://localhost:{self.server.tls_port}", "TLS")

    def test_a_peer_that_says_nothing_is_given_up(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.assert_refused(f"rediss://127.0.0.1:{silent.getsockname()[1]}", "in time")


if __name__ == "__main__":
    unittest.main()
