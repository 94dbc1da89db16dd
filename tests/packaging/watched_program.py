"""A program as Prometheus watches it: real clients, through the C interface, that have used locks in all
the ways that metrics tell apart."""

import ctypes
import http.server
import os
import pathlib
import threading

from eventually import eventually

GROUP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_char))
FOREVER = -1


class ClientOptions(ctypes.Structure):
    """dlock_client_options as far as we set it; the library reads no more than `size`."""
    _fields_ = [("size", ctypes.c_size_t), ("connect_timeout_ms", ctypes.c_int64),
                ("request_timeout_ms", ctypes.c_int64), ("drift_rate", ctypes.c_double),
                ("drift_floor_ms", ctypes.c_int64), ("safety_margin_ms", ctypes.c_int64),
                ("prefix", ctypes.c_char_p), ("label", ctypes.c_char_p), ("log", ctypes.c_void_p),
                ("log_context", ctypes.c_void_p), ("queue", ctypes.c_void_p), ("log_to_queue", ctypes.c_int64),
                ("patience_ms", ctypes.c_int64), ("group", GROUP)]


@GROUP
def before_colon(_context, name, _length, group):
    text = name.partition(b":")[0][:63]
    ctypes.memmove(group, text + b"\0", len(text) + 1)


def library():
    lib = ctypes.CDLL(str(pathlib.Path(os.environ["DLOCK_BUILD_DIR"]) / "libdlock.so"))
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    lib.dlock_last_error.restype = ctypes.c_char_p
    for name, arguments in {
            "client_new": [ctypes.c_char_p, ctypes.POINTER(ClientOptions), pointer],
            "mutex_new": [pointer, ctypes.c_char_p, ctypes.c_size_t, pointer, pointer],
            "acquire": [pointer, integer, pointer, pointer],
            "election_new": [pointer, ctypes.c_char_p, ctypes.c_size_t, pointer, pointer],
            "election_campaign": [pointer, ctypes.c_char_p, ctypes.c_size_t, integer, pointer, pointer],
            "lease_release": [pointer], "lease_free": [pointer], "lock_free": [pointer], "election_free": [pointer],
            "client_free": [pointer], "prometheus_text": [pointer, pointer], "text_free": [pointer]}.items():
        getattr(lib, f"dlock_{name}").argtypes = arguments
    return lib


class Client:
    def __init__(self, url):
        self.lib = library()
        options = ClientOptions(size=ctypes.sizeof(ClientOptions), group=before_colon)
        self.handle = self.made("client_new", url.encode(), ctypes.byref(options))

    def made(self, function, *arguments):
        """Calls a function whose last argument is where a handle goes; returns that."""
        handle = ctypes.c_void_p()
        if getattr(self.lib, f"dlock_{function}")(*arguments, ctypes.byref(handle)) != 0:
            raise RuntimeError(self.lib.dlock_last_error().decode())
        return handle

    def acquire(self, name):
        lock = self.made("mutex_new", self.handle, name.encode(), len(name), None)
        try:
            return self.made("acquire", lock, FOREVER, None)
        finally:
            self.lib.dlock_lock_free(lock)

    def campaign(self, name):
        election = self.made("election_new", self.handle, name.encode(), len(name), None)
        try:
            return self.made("election_campaign", election, b"me", 2, FOREVER, None)
        finally:
            self.lib.dlock_election_free(election)

    def release(self, lease):
        self.lib.dlock_lease_release(lease)
        self.lib.dlock_lease_free(lease)

    def metrics(self):
        text = self.made("prometheus_text", self.handle)
        try:
            return ctypes.string_at(text).decode()
        finally:
            self.lib.dlock_text_free(text)

    def close(self):
        self.lib.dlock_client_free(self.handle)


class WatchedProgram:
    """Two clients that take turns at the lock "order:1"; /metrics is of the second one, which
    also leads the election "web"."""

    def __init__(self, url):
        self.first, self.second = Client(url), Client(url)
        self.leadership = self.second.campaign("web")
        handler = type("Handler", (http.server.BaseHTTPRequestHandler,), {
            "do_GET": lambda request: self.answer(request), "log_message": lambda *_: None})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def answer(self, request):
        body = self.second.metrics().encode()
        request.send_response(200)
        request.send_header("Content-Type", "text/plain; version=0.0.4")
        request.end_headers()
        request.wfile.write(body)

    def take_turns(self, wait_for_waiters):
        """Two threads of the second client wait for the first: one gets the lock by a grant and passes it
        on to the other. `wait_for_waiters(NAME, N)` waits until N clients are in the queue."""
        lease = self.first.acquire("order:1")
        waits = [threading.Thread(target=lambda: self.second.release(self.second.acquire("order:1")))
                 for _ in range(2)]
        for wait in waits:
            wait.start()
        if not eventually(lambda: 'dlock_client_waiting_calls{group="order"} 2\n' in self.second.metrics()):
            raise RuntimeError("the threads do not wait")
        wait_for_waiters("order:1", 1)
        self.first.release(lease)
        for wait in waits:
            wait.join()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        self.second.release(self.leadership)
        self.first.close()
        self.second.close()
