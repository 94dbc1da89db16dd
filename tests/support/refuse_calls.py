"""Runs a program on a kernel that seems not to have some system calls: an old one, or one whose rules
for a container do not know them. Its children see the same.

    refuse_calls.py close_range,pidfd_open PROGRAM ARGUMENT...

Exit status 77: no calls can be refused here."""

import ctypes
import errno
import os
import struct
import sys

NUMBERS = {"pidfd_send_signal": 424, "pidfd_open": 434, "close_range": 436}  # on every architecture

# Of <linux/filter.h>, <linux/seccomp.h> and <linux/prctl.h>.
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
PR_SET_SECCOMP, MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38


class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("rules", ctypes.c_char_p)]


def refuse(numbers):
    rules = [(LOAD_WORD, 0, 0, 0)]  # the call's number
    for place, number in enumerate(numbers):
        rules.append((JUMP_IF_EQUAL, len(numbers) - place, 0, number))
    rules += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    program = Program(len(rules), b"".join(struct.pack("HBBI", *rule) for rule in rules))
    call = ctypes.CDLL(None).prctl
    return (call(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            and call(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


if __name__ == "__main__":
    if not refuse([NUMBERS[name] for name in sys.argv[1].split(",")]):
        sys.exit(77)
    os.execvp(sys.argv[2], sys.argv[2:])
