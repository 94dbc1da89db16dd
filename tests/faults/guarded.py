"""The guarded resource: takes a write only if no later holder has written to it before."""

import json
import os
import selectors
import socket
import threading
import time


class Resource:
    """Serves the workers at `DIRECTORY/resource`, one request at a time, until `close()`. It knows
    the highest fence of each lock, and no clock of anybody. `checks`: whether it does."""

    def __init__(self, directory, checks=True):
        self._checks = checks
        self._highest = {}
        self._records = open(os.path.join(directory, "resource.jsonl"), "a")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(os.path.join(directory, "resource"))
        self._listener.listen(64)
        self._wake, woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for source in (self._listener, woken):
            self._selector.register(source, selectors.EVENT_READ)
        self._woken = woken
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._wake.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()
        self._records.close()

    def _serve(self):
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._listener:
                    self._selector.register(self._listener.accept()[0], selectors.EVENT_READ)
                else:
                    self._answer(key.fileobj)

    def _answer(self, connection):
        try:
            request = connection.recv(1024).decode()
            if request:
                connection.send(b"y" if self._write(*request.split()) else b"n")
                return
        except ConnectionError:  # it was killed: what it wrote stays written
            pass
        self._selector.unregister(connection)
        connection.close()

    def _write(self, lock, id, fence):
        fence = int(fence)
        accepted = not self._checks or fence >= self._highest.get(lock, 0)
        self._highest[lock] = max(fence, self._highest.get(lock, 0))
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        self._records.write(json.dumps({"e": "write", "at": now, "id": id, "lock": lock, "fence": fence,
                                        "accepted": accepted}) + "\n")
        self._records.flush()
        return accepted
