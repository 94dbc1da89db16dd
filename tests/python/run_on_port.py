"""Runs a Python program, unmodified, whose `Redis()` means the server on another port.

Usage: run_on_port.py PORT PROGRAM [OPTION=VALUE]...      options of Redis(), as ssl=yes
"""

import functools
import runpy
import sys

import redis

port, program = int(sys.argv[1]), sys.argv[2]
options = dict(word.split("=", 1) for word in sys.argv[3:])
redis.Redis.__init__ = functools.partialmethod(redis.Redis.__init__, port=port, **options)
runpy.run_path(program, run_name="__main__")
