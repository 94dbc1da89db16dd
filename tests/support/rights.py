"""The minimal rights, as docs/protocol.md lists them, for servers under test."""

import os
import pathlib
import re

ADMIN = {"username": "test", "password": "any"}  # of a server with these rights: may do everything


def documented(*names):
    """The words of these lists that grant something; `PREFIX` stands for the start of all names."""
    text = (pathlib.Path(os.environ["DLOCK_SOURCE_DIR"]) / "docs/protocol.md").read_text()
    words = []
    for name in names:
        block, = re.findall(rf"<!-- test: rights {name} -->\n```text\n(.*?)```", text, re.DOTALL)
        words += [word for word in block.split() if word[0] in "+~&"]
    return words


def enforced():
    """Whether the suite is to run with no right but the documented ones."""
    return os.environ.get("DLOCK_TEST_ACL") == "1"


def config(lines):
    """More lines of redis.conf after `lines`: clients without a user name get only these rights."""
    words = documented("client", "watch", "reconnect", "quorum", "candidate", "inspect", "database")
    names = "~*"  # they have no common start; this is also all that dlock keeps beside them
    rights = " ".join(dict.fromkeys(word for word in words if word[0] != "~"))
    passwords = [line.split()[1] for line in lines if line.startswith("requirepass ")]
    password = f">{passwords[0]}" if passwords else "nopass"
    return [f"user default reset on {password} resetkeys resetchannels -@all {names} {rights}",
            "user test reset on nopass ~* &* +@all", "masteruser test", "masterauth any"]
