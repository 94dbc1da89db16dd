"""A proxy between clients and a server: it delays, drops, half-closes, and delivers late."""

import asyncio
import contextlib
import threading


class Proxy:
    """Runs from construction to `close()`, on a free port of this machine or the unix socket `path`,
    and connects to `target`, a port or a path. Its methods, for any thread, act on the connections
    that are open then, and on the traffic from then on."""

    def __init__(self, target, path=None):
        self._target = target
        self._path = path
        self._connections = set()
        self._delay = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen())

    def delay(self, seconds):
        """Delays all traffic, each way, until it is set to 0 again."""
        self._delay = seconds

    def swallow(self):
        """Drops the traffic of the open connections; neither side notices."""
        for connection in list(self._connections):
            connection.swallows = True

    def half_close(self):
        """Closes the open connections towards the server; the clients notice nothing."""
        self._call(self._for_all(lambda connection: connection.half_close()))

    def bring_late(self, seconds):
        """Closes the open connections towards the clients. Their last requests reach the server
        `seconds` later, after those of later connections."""
        self._call(self._for_all(lambda connection: connection.bring_late(seconds)))

    def hold(self):
        """Holds back what clients send from now on, for `bring_late`."""
        for connection in list(self._connections):
            connection.holds = True

    def cut(self):
        """Ends all connections."""
        self._call(self._for_all(lambda connection: connection.close()))

    def close(self):
        self._call(self._stop_listening())
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _for_all(self, act):
        for connection in list(self._connections):
            act(connection)

    async def _listen(self):
        if self._path:
            self._server = await asyncio.start_unix_server(self._accept, self._path)
        else:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self):
        self._server.close()

    async def _accept(self, *client):
        try:
            server = await (asyncio.open_unix_connection(self._target) if isinstance(self._target, str)
                            else asyncio.open_connection("127.0.0.1", self._target))
        except OSError:  # it does not run: neither do we
            client[1].close()
            return
        connection = _Connection(client, server)
        self._connections.add(connection)
        await asyncio.gather(self._pass(connection, client[0], connection.to_server),
                             self._pass(connection, server[0], connection.to_client))
        connection.close()
        self._connections.discard(connection)

    async def _pass(self, connection, reader, write):
        with contextlib.suppress(OSError):  # a connection that breaks is one that ends
            while data := await reader.read(65536):
                if self._delay:
                    await asyncio.sleep(self._delay)
                if not connection.swallows:
                    await write(data)
        if not connection.holds and not connection.swallows:
            connection.close()


class _Connection:
    def __init__(self, client, server):
        self._client = client[1]
        self._server = server[1]
        self._held = []
        self.holds = False
        self.swallows = False

    async def to_server(self, data):
        if self.holds:
            self._held.append(data)
        else:
            self._server.write(data)
            await self._server.drain()

    async def to_client(self, data):
        self._client.write(data)
        await self._client.drain()

    def half_close(self):
        if self._server.can_write_eof() and not self._server.is_closing():
            self._server.write_eof()

    def bring_late(self, seconds):
        self.holds = True
        self._client.close()
        asyncio.get_running_loop().call_later(seconds, self._bring)

    def _bring(self):
        for data in self._held:
            self._server.write(data)
        self.close()

    def close(self):
        self._client.close()
        self._server.close()
