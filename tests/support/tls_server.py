"""A real redis-server that also speaks TLS."""

import socket

from redis_server import RedisServer


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class TlsServer(RedisServer):
    """With `certificate` (its file and its key's); `asks`: whether clients need one too."""

    def __init__(self, authority, certificate, asks=False, config=(), **options):
        self.tls_port = _free_port()
        super().__init__(*config, f"tls-port {self.tls_port}", f"tls-cert-file {certificate[0]}",
                         f"tls-key-file {certificate[1]}", f"tls-ca-cert-file {authority.ca}",
                         f"tls-auth-clients {'yes' if asks else 'no'}", **options)

    def tls_url(self, host="localhost", **options):
        query = "&".join(f"{key}={value}" for key, value in options.items())
        return f"rediss://{host}:{self.tls_port}" + (f"?{query}" if query else "")
