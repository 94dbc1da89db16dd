"""A server of a kind that some services offer: real ones behind a proxy that can do less.

As a program: `lesser_server.py WAYS SOCKET PORT PATH [forever]`: it stands on 127.0.0.1:PORT and on the
unix socket PATH, before the server at SOCKET, until its input ends, or for ever. WAYS are words with commas
between them; see LesserServer.
"""

import asyncio
import contextlib
import hashlib
import pathlib
import subprocess
import sys
import threading

from lua54 import Lua, encoded

SLOTS = 16384
KEYLESS = {b"ACL", b"AUTH", b"CLIENT", b"COMMAND", b"CONFIG", b"DBSIZE", b"DEBUG", b"FLUSHALL", b"HELLO",
           b"INFO", b"PING", b"PUBSUB", b"SCRIPT", b"SELECT", b"TIME", b"WAIT"}
OF_A_CLUSTER = {b"ASKING", b"CLUSTER", b"READONLY", b"READWRITE"}
OTHER_PYTHON = pathlib.Path(__file__).resolve().parents[2] / ".deps/python/bin/python"  # it has lupa


class LesserServer:
    """Runs from construction to `close()`, before the servers at these unix sockets, which in one of these
    `ways` do less:

    resp2     it does not know HELLO
    hello2    it answers HELLO 3, and goes on in RESP2
    endpoint  what its clients send must have the keys of one slot, and it hides that it is a cluster. It
              sends a command to the server that has the slot, and follows no redirection
    lua54     scripts run in Lua 5.4, which does not know their first line"""

    def __init__(self, *sockets, ways, port=0, path=None):
        self.ways = set(ways)
        self.sockets = sockets
        self.scripts = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen(port, path))

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def close(self):
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self, port, path):
        # While a script runs, nobody else's commands may.
        self.alone = asyncio.Lock()
        self.owners = await self._ask_for_slots()
        self._clients = set()
        self._listeners = [await asyncio.start_server(self._accept, "127.0.0.1", port)]
        self.port = self._listeners[0].sockets[0].getsockname()[1]
        if path:
            self._listeners.append(await asyncio.start_unix_server(self._accept, path))

    async def _ask_for_slots(self):
        """The server of each slot; those of a real cluster, if there are several."""
        if len(self.sockets) == 1:
            return [0] * SLOTS
        owners = [None] * SLOTS
        for number, path in enumerate(self.sockets):
            node = await Node.open(path, None)
            mine = await node.ask(b"CLUSTER", b"MYID")
            rows = (await node.ask(b"CLUSTER", b"NODES")).split(b"\n")
            row = next(row for row in rows if row.startswith(mine.split(b"\r\n")[1]) or b"myself" in row)
            for span in row.split()[8:]:
                first, _, last = span.partition(b"-")
                for slot in range(int(first), int(last or first) + 1):
                    owners[slot] = number
            node.close()
        return owners

    async def _stop(self):
        for listener in self._listeners:
            listener.close()
        for client in list(self._clients):
            client.close()

    async def _accept(self, reader, writer):
        client = Client(self, reader, writer)
        self._clients.add(client)
        # A client or a server that goes away ends the connection.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ConnectionError):
            await client.serve()
        client.close()
        self._clients.discard(client)


class Node:
    """A connection to one of the servers, for one client."""

    @classmethod
    async def open(cls, path, push):
        node = cls()
        node.reader, node._writer = await asyncio.open_unix_connection(path)
        node._replies = asyncio.Queue()
        node._task = asyncio.ensure_future(node._read(push))
        return node

    async def _read(self, push):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                value = await read_value(self.reader)
                push(value) if is_message(value) else self._replies.put_nowait(value)
        self._replies.put_nowait(None)
        if push:
            push(None)

    def send(self, *fields):
        self._writer.write(encoded(fields))

    async def ask(self, *fields):
        self.send(*fields)
        return await self.reply()

    async def reply(self):
        value = await self._replies.get()
        if value is None:
            raise ConnectionError("the server went away")
        return value

    def close(self):
        self._task.cancel()
        self._writer.close()


class Client:
    def __init__(self, server, reader, writer):
        self._server = server
        self._reader = reader
        self._writer = writer
        self._nodes = {}
        self._login = []  # what each of its connections begins with
        self._block = None  # the commands of a transaction
        self._lua = None

    async def serve(self):
        while True:
            fields = await read_command(self._reader)
            async with self._server.alone if "lua54" in self._server.ways else contextlib.nullcontext():
                reply = await self._answer(fields, fields[0].upper())
            self._writer.write(reply)

    def close(self):
        for node in self._nodes.values():
            node.close()
        self._writer.close()
        if self._lua:
            self._lua.close()

    def _push(self, message):
        if message is None:
            self._writer.close()
        else:
            self._writer.write(message)

    async def _answer(self, fields, name):
        ways = self._server.ways
        if name == b"LESSER":  # from a test
            self._server.ways = set(fields[1].decode().split(","))
            return b"+OK\r\n"
        if name == b"HELLO" and "resp2" in ways:
            return b"-ERR unknown command 'HELLO', with args beginning with: '3' \r\n"
        if name == b"HELLO" and "hello2" in ways:
            fields = [fields[0], b"2", *fields[2:]]
        if name in (b"HELLO", b"AUTH", b"SELECT"):
            self._login.append(fields)
        if "lua54" in ways and name == b"CLIENT" and fields[1].upper() == b"TRACKING":
            return b"-ERR unknown subcommand 'TRACKING'\r\n"  # scripts write on another connection
        if "lua54" in ways and name in (b"EVAL", b"EVALSHA", b"SCRIPT"):
            return self._run_script(fields, name)
        if "endpoint" not in ways:
            return await self._ask(0, fields)
        if name in OF_A_CLUSTER:
            return b"-ERR command is not allowed\r\n"
        if name == b"MULTI":
            self._block = [fields]
            return b"+OK\r\n"
        if self._block is not None:
            self._block.append(fields)
            return await self._run_block() if name == b"EXEC" else b"+QUEUED\r\n"
        if name == b"SCAN":
            return await self._scan(fields)
        keys = keys_of(fields, name)
        if has_several_slots(keys):
            return b"-CROSSSLOT Keys in request don't hash to the same slot\r\n"
        return await self._ask(self._server.owners[slot_of(keys[0])] if keys else 0, fields)

    async def _node(self, number):
        if number not in self._nodes:
            node = self._nodes[number] = await Node.open(self._server.sockets[number], self._push)
            for fields in self._login[:-1] if number == 0 else self._login:
                await node.ask(*fields)
        return self._nodes[number]

    async def _ask(self, number, fields):
        return await (await self._node(number)).ask(*fields)

    async def _run_block(self):
        block, self._block = self._block, None
        keys = [key for fields in block for key in keys_of(fields, fields[0].upper())]
        if has_several_slots(keys):
            return b"-CROSSSLOT Keys in request don't hash to the same slot\r\n"
        node = await self._node(self._server.owners[slot_of(keys[0])])
        for fields in block:
            node.send(*fields)
        return [await node.reply() for _ in block][-1]

    async def _scan(self, fields):
        """Of all servers, one after the other: the cursor has the number of the server too."""
        count = len(self._server.sockets)
        cursor, number = divmod(int(fields[1]), count)
        reply = await self._ask(number, [fields[0], b"%d" % cursor, *fields[2:]])
        head, _, rest = reply.partition(b"\r\n")
        size, _, rest = rest.partition(b"\r\n")
        cursor, rest = int(rest[:int(size[1:])]), rest[int(size[1:]) + 2:]
        over = cursor == 0 and number + 1 == count
        following = b"0" if over else b"%d" % (cursor * count + number + (cursor == 0))
        return b"%s\r\n$%d\r\n%s\r\n%s" % (head, len(following), following, rest)

    def _run_script(self, fields, name):
        scripts = self._server.scripts
        if name == b"SCRIPT":
            if fields[1].upper() == b"FLUSH":
                scripts.clear()
            return b"+OK\r\n"
        digest = hashlib.sha1(fields[1]).hexdigest().encode() if name == b"EVAL" else fields[1].lower()
        if name == b"EVAL":
            scripts[digest] = fields[1]
        elif digest not in scripts:
            return b"-NOSCRIPT No matching script. Please use EVAL.\r\n"
        if not self._lua:
            self._lua = Lua(self._server.sockets[0], self._login)
        count = int(fields[2])
        reply = self._lua.run(digest, scripts[digest], fields[3:3 + count], fields[3 + count:])
        if reply.startswith(b"-ERR Error compiling"):
            scripts.pop(digest)
        return reply


async def read_command(reader):
    count = int((await reader.readuntil(b"\r\n"))[1:-2])
    fields = []
    for _ in range(count):
        size = int((await reader.readuntil(b"\r\n"))[1:-2])
        fields.append((await reader.readexactly(size + 2))[:-2])
    return fields


async def read_value(reader):
    """The bytes of a whole reply or push."""
    line = await reader.readuntil(b"\r\n")
    kind, rest = line[:1], line[1:-2]
    if kind in b"$=!" and rest != b"-1":
        return line + await reader.readexactly(int(rest) + 2)
    if kind in b"*~>%|" and rest != b"-1":
        count = int(rest) * (2 if kind in b"%|" else 1)
        return line + b"".join([await read_value(reader) for _ in range(count)])
    return line


def is_message(value):
    """Whether it answers no command: a push other than a confirmation, or what RESP2 has in its place."""
    if value[:1] == b">":
        return not value[4:].startswith(b"$10\r\nssubscribe")
    return value[:2] == b"*3" and value[4:].startswith((b"$8\r\nsmessage", b"$12\r\nsunsubscribe"))


def keys_of(fields, name):
    if name in KEYLESS or name in (b"MULTI", b"EXEC"):
        return []
    if name in (b"EVAL", b"EVALSHA"):
        return fields[3:3 + int(fields[2])]
    return fields[1:] if name in (b"DEL", b"EXISTS") else fields[1:2]


def has_several_slots(keys):
    return len({slot_of(key) for key in keys}) > 1


def slot_of(key):
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    return crc16(key[start + 1:end] if start >= 0 and end > start + 1 else key) % SLOTS


def crc16(text):
    crc = 0
    for byte in text:
        crc ^= byte << 8
        for _ in range(8):
            crc = crc << 1 ^ (0x1021 if crc & 0x8000 else 0)
    return crc & 0xffff


def in_lua54(server, *more):
    """The URL of a process that is a LesserServer in the way lua54 and `more`, and that process."""
    from redis_server import free_port  # pylint: disable=import-outside-toplevel
    port = free_port()
    words = [str(OTHER_PYTHON), __file__, ",".join(("lua54", *more)), server.socket_path, str(port),
             server.socket_path + ".lua54"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return f"redis://127.0.0.1:{port}", process


def main():
    ways, target, port, path, *forever = sys.argv[1:]
    server = LesserServer(target, ways=ways.split(","), port=int(port), path=path)
    print("ready", flush=True)
    threading.Event().wait() if forever else sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main()
