"""The scripts in Lua 5.4, which call a real server; needs lupa."""

import hashlib
import socket


class Lua:
    """Scripts in Lua 5.4, which call a real server. Lua itself makes texts of numbers, as some servers
    let it."""

    PRELUDE = b"""
        local call = ...
        local function ask(...)
          local words = table.pack(...)
          for i = 1, words.n do
            words[i] = tostring(words[i])
          end
          return call(table.unpack(words, 1, words.n))
        end
        redis = {
          call = function(...)
            local reply = ask(...)
            if type(reply) == 'table' and reply.err then error(reply, 0) end
            return reply
          end,
          pcall = ask,
          error_reply = function(text) return { err = text } end,
          sha1hex = sha1hex,
        }
        return function(script, keys, args)
          KEYS, ARGV = keys, args
          local done, reply = pcall(script)
          if done then return reply end
          return type(reply) == 'table' and reply or { err = 'ERR ' .. tostring(reply) }
        end
    """

    def __init__(self, path, login):
        from lupa import lua54  # the class can be imported without it  # pylint: disable=import-outside-toplevel
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._input = self._socket.makefile("rb")
        for fields in login:
            self._ask([b"HELLO", b"2", *fields[2:]] if fields[0].upper() == b"HELLO" else fields)
        self._syntax_error = lua54.LuaSyntaxError
        self._lua = lua54.LuaRuntime(encoding=None, unpack_returned_tuples=False)
        self._lua.globals()[b"sha1hex"] = lambda text: hashlib.sha1(text).hexdigest().encode()
        self._run = self._lua.execute(self.PRELUDE, self._call)
        self._compiled = {}

    def close(self):
        self._socket.close()

    def run(self, digest, text, keys, args):
        if digest not in self._compiled:
            try:
                self._compiled[digest] = self._lua.compile(text)
            except self._syntax_error as error:
                return b"-ERR Error compiling script (new function): %s\r\n" % error.args[0]
        table = self._lua.table_from
        return self._reply(self._run(self._compiled[digest], table(keys), table(args)))

    def value(self, text, keys, args):
        """The same as Python has it; an error as its text."""
        reply = self.run(text, text, keys, args)
        return parsed(reply)[0]

    def _call(self, *words):
        return self._value(self._ask(words))

    def _ask(self, words):
        self._socket.sendall(encoded(words))
        return self._read()

    def _read(self):
        line = self._input.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in b"$":
            return None if rest == b"-1" else self._input.read(int(rest) + 2)[:-2]
        if kind in b"*":
            return None if rest == b"-1" else [self._read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else (kind, rest)

    def _value(self, reply):
        if reply is None:
            return False
        if isinstance(reply, list):
            return self._lua.table_from([self._value(element) for element in reply])
        if isinstance(reply, tuple):
            return self._lua.table_from({b"err" if reply[0] == b"-" else b"ok": reply[1]})
        return reply

    def _reply(self, value):
        if value is None or value is False:
            return b"$-1\r\n"
        if isinstance(value, (int, float)):
            return b":%d\r\n" % value
        if isinstance(value, bytes):
            return b"$%d\r\n%s\r\n" % (len(value), value)
        if value[b"err"] is not None:
            return b"-%s\r\n" % value[b"err"]
        if value[b"ok"] is not None:
            return b"+%s\r\n" % value[b"ok"]
        elements = [value[i] for i in range(1, len(value) + 1)]
        return b"*%d\r\n" % len(elements) + b"".join(map(self._reply, elements))


def encoded(fields):
    return b"*%d\r\n" % len(fields) + b"".join(b"$%d\r\n%s\r\n" % (len(field), field) for field in fields)


def parsed(reply):
    """The value at the beginning of a reply, and the rest."""
    line, _, rest = reply.partition(b"\r\n")
    kind, text = line[:1], line[1:]
    if kind == b"$":
        return (None, rest) if text == b"-1" else (rest[:int(text)], rest[int(text) + 2:])
    if kind == b"*":
        elements = []
        for _ in range(int(text)):
            element, rest = parsed(rest)
            elements.append(element)
        return elements, rest
    return (int(text) if kind == b":" else text.decode()), rest
