"""A proxy between clients and a server that notes the commands that clients send."""

import contextlib
import re
import socket
import threading

SEAL = re.compile(rb"\d+\.\d+")  # two random numbers of 16 digits, seldom fewer: counted as 16
SEAL_SIZE = 33


class CountingProxy:
    """Runs from construction to `close()`, on a free port, in front of a server's unix socket."""

    def __init__(self, path):
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = []  # (name, bytes) of each command; there before its reply is
        self._in_thread(self._accept)

    def close(self):
        self._listener.close()

    @staticmethod
    def _in_thread(work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._path)
            self._in_thread(self._to_server, client, server)
            self._in_thread(self._to_client, client, server)

    @staticmethod
    def _to_client(client, server):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        client.close()

    def _to_server(self, client, server):
        data = b""
        with contextlib.suppress(OSError):
            while more := client.recv(65536):
                commands, data = split(data + more)
                self.sent += commands
                server.sendall(more)
        server.close()


def split(data):
    """The (name, bytes) of all whole commands, and what is left."""
    commands = []
    while True:
        fields, at = [], data.find(b"\r\n") + 2
        if at < 2:
            return commands, data
        for _ in range(int(data[1:at - 2])):
            end = data.find(b"\r\n", at)
            size = int(data[at + 1:end]) if end >= 0 else 0
            if end < 0 or len(data) < end + 4 + size:
                return commands, data
            fields.append(data[end + 2:end + 2 + size])
            at = end + 4 + size
        short = SEAL_SIZE - len(fields[-1]) if SEAL.fullmatch(fields[-1]) else 0
        commands.append((fields[0].decode(), at + short))
        data = data[at:]
