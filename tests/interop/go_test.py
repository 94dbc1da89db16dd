"""Go libraries and dlock exclude each other, in both directions; but for one."""

import peers_case


class Redsync(peers_case.PeerCase):
    LANGUAGE, SUBJECT = "go", "redsync"


class Redislock(peers_case.PeerCase):
    LANGUAGE, SUBJECT = "go", "bsm-redislock"


class Rueidislock(peers_case.OtherKeyCase):
    LANGUAGE, SUBJECT, KEY = "go", "rueidislock", "rueidislock:0:job"


if __name__ == "__main__":
    peers_case.main([Redsync, Redislock, Rueidislock])
