"""The scripts say the same in Lua 5.4 as in the Lua of Redis: it writes 3 as 3.0 where that is no integer,
and has other names for some functions. Some servers run scripts in it."""

import importlib.util
import os
import pathlib
import re
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
OTHER_PYTHON = SOURCE / ".deps/python/bin/python"
sys.path.insert(0, str(SOURCE / "tests/support"))
FILES = {path.name: path for path in (SOURCE / "src/script").rglob("*.lua")}


def composed(name):
    """The text of a script, with that of the files it includes."""
    return re.sub(r"^-- include (\S+)$", lambda found: composed(found[1]).rstrip("\n"),
                  FILES[name].read_text(), flags=re.MULTILINE)


def token(number, weight=""):
    return f"dlock1:{number:016x}:{number:032x}:3000{weight}"


def keys_of(name, *more):
    return [name, f"dlock1:qw:{{{name}}}", f"dlock1:sw:{{{name}}}", *more]


MUTEX, PERMITS = keys_of("a", "dlock1:fence"), keys_of("p", "dlock1:fence")
LATCH, BARRIER = keys_of("dlock1:latch:l", "lp"), keys_of("dlock1:barrier:b", "bp")
CONDITION = keys_of("dlock1:condition:c")
SEAL = "12.34"
CALLS = [
    ("acquire", MUTEX, token(1), 30000, "wait", "", "", "", SEAL),
    ("acquire", MUTEX, token(2), 30000, "wait", "", "", "", SEAL),
    ("acquire", MUTEX, token(2), 30000, "wait", "1000000000000000", "", "", SEAL),
    ("acquire", MUTEX, token(3), 30000, "try", "", "", "", ""),
    ("renew", ["dlock1:fence", *MUTEX[:3]], "echo", token(1), 30000, 0, 5),
    ("inspect", MUTEX[:3], "all"),
    ("leader", MUTEX[:2]),
    ("break", MUTEX, 5, 0, "ask"),
    ("release", MUTEX, token(1), 20000),
    ("release", MUTEX, token(1)),
    ("acquire_all", ["dlock1:fence", *keys_of("x"), *keys_of("y")], 1000, token(5), token(6)),
    ("acquire_all", ["dlock1:fence", *keys_of("x"), *keys_of("z")], 1000, token(7), token(8)),
    ("write_fence", ["x", "dlock1:fence"], token(5), 3000, 9),
    ("break", keys_of("x", "dlock1:fence"), 9, 0, "force"),
    ("permits_acquire", PERMITS, token(1, ":1"), 30000, "wait", "", "", 2, SEAL),
    ("permits_acquire", PERMITS, token(2, ":2"), 30000, "wait", "", "", 2, SEAL),
    ("permits_acquire", PERMITS, token(3, ":2"), 30000, "try", "", "", 2, ""),
    ("permits_acquire", PERMITS, token(4, ":1"), 30000, "try", "", "", 3, ""),
    ("permits_renew", ["dlock1:fence", *PERMITS[:3]], "echo", token(1, ":1"), 30000, 7),
    ("permits_write_fence", PERMITS, token(1, ":1"), 30000, 8, "new"),
    ("inspect", PERMITS[:3], "all"),
    ("inspect", PERMITS[:3], "some", 0),
    ("permits_break", PERMITS, 8, "ask"),
    ("permits_resize", PERMITS, 3),
    ("permits_release", PERMITS, token(1, ":1")),
    ("latch", LATCH, token(1), 1, "wait", "", "", 2, 3600000),
    ("latch", LATCH, token(2), 1, "count", "", "", 2, 3600000, 1),
    ("inspect_gate", LATCH),
    ("latch_leave", LATCH[:3], token(1)),
    ("barrier", BARRIER, token(1), 1, "wait", "", "", 2),
    ("barrier", BARRIER, token(2), 1, "wait", "", "", 3),
    ("inspect_gate", BARRIER),
    ("barrier_leave", BARRIER[:3], token(1)),
    ("condition", CONDITION, token(1), 1, "enter", ""),
    ("condition", CONDITION, token(1), 1, "wait", "1"),
    ("condition", CONDITION, token(2), 1, "notify", "", "", "all", ""),
    ("condition_leave", CONDITION, token(1)),
]


def shape(reply):
    """A reply without its numbers, which depend on the time."""
    if isinstance(reply, (list, tuple)):
        return [shape(element) for element in reply]
    text = reply if isinstance(reply, bytes) else str(reply).encode()
    return re.sub(rb"\d+", b"N", text)


class Lua54(unittest.TestCase):
    def test_each_script_says_the_same(self):
        import redis
        from lua54 import Lua
        from redis_server import RedisServer
        with RedisServer() as here, RedisServer() as there, here.client() as client:
            lua = Lua(there.socket_path, [])
            for name, keys, *args in CALLS:
                text = composed(name + ".lua")
                try:
                    own = client.eval(text, len(keys), *keys, *args)
                except redis.ResponseError as error:
                    own = str(error)
                plain = text.split("\n", 1)[1].encode()
                other = lua.value(plain, [key.encode() for key in keys],
                                  [str(word).encode() for word in args])
                with self.subTest(name=name, args=args):
                    self.assertEqual(shape(own), shape(other))
            lua.close()
        called = {name for name, *_ in CALLS}
        self.assertEqual({name[:-4] for name in FILES if not name.startswith("_")} - called,
                         {"release_bare", "proclaim", "resign"}, "these have no numbers")

    def test_it_does_not_know_their_first_line(self):
        from lua54 import Lua
        from redis_server import RedisServer
        with RedisServer() as server:
            lua = Lua(server.socket_path, [])
            self.assertIn("near '#'", str(lua.value(composed("acquire.lua").encode(), [], [])))
            lua.close()


if __name__ == "__main__":
    if not importlib.util.find_spec("lupa"):
        if sys.executable == str(OTHER_PYTHON) or not OTHER_PYTHON.exists():
            print("skipped: there is no lupa")
            sys.exit(77)
        os.execv(OTHER_PYTHON, [str(OTHER_PYTHON), __file__, *sys.argv[1:]])
    unittest.main()
