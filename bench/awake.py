"""Keeps the cores awake. One that sleeps has to be woken for each message: on a virtual machine that is up
to its host, which made a round trip of 30 us on one day and of 49 us on another. It also favours subjects
that spin rather than sleep."""

import struct

LATENCY = "/dev/cpu_dma_latency"  # while it is open, cores wake up within as many us as were written to it


class Awake:
    """While it is entered, idle cores wait in a loop of the kernel, if the system lets us ask for that."""

    def __init__(self, path=LATENCY):
        self._path = path

    def __enter__(self):
        try:
            self._file = open(self._path, "r+b", buffering=0)
            self._file.write(struct.pack("i", 0))
        except OSError:
            self._file = None  # only root may
        return self

    def __exit__(self, *_):
        if self._file:
            self._file.close()

    def in_words(self):
        return "the cores were kept awake" if self._file else "the cores could fall asleep between two messages"
