"""Node.js libraries and dlock exclude each other, in both directions."""

import peers_case


class Redlock(peers_case.PeerCase):
    LANGUAGE, SUBJECT = "node", "redlock"


if __name__ == "__main__":
    peers_case.main([Redlock])
