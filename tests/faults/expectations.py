"""What each topology is expected to lose under which fault. It is asserted both ways: nothing else
may be found, and the scenarios must find exactly what is written here."""

# Kinds of checker.py. That a late write comes is no fault of a lock; that it is accepted would be.
LATE = {"stale_unfenced"}
TWO_HOLDERS = {"overlap"} | LATE
# A program that has not learned of its loss may pass the lock on among its threads, with its old fence,
# when a holder with a greater one has come and gone.
FOR_A_WHILE = TWO_HOLDERS | {"fence_order"}

# The violations that a random run may find. Those with FOR_A_WHILE run apart from the others.
MAY_FIND = {
    "kill_client": set(),
    "stop_client": LATE,
    "stop_server": set(),
    "restart": set(),
    "restart_empty": FOR_A_WHILE,
    "come_back_empty": set(),
    "script_flush": set(),
    "client_kill": set(),
    "client_pause": set(),
    "clock_back": set(),
    "clock_forward": FOR_A_WHILE,
    "delay": set(),
    "half_close": set(),
    "swallow": set(),
    "bring_late": set(),
    "partition": set(),
    "kill_sentinel": set(),
    "kill_replica": set(),
    "failover": FOR_A_WHILE,
    "take_over": set(),
    "kill_primary": FOR_A_WHILE,
    "stop_primary": FOR_A_WHILE,
    "slot_migration": set(),
    "divide": set(),
}

_CLIENT = ["kill_client", "stop_client", "script_flush", "client_kill", "client_pause"]
_SERVER = ["stop_server", "restart", "restart_empty"]
_CLOCK = ["clock_back", "clock_forward"]
_PROXY = ["delay", "half_close", "swallow", "bring_late"]

FAULTS = {
    "tcp": _CLIENT + _SERVER + _CLOCK + _PROXY,
    "resp2": _CLIENT + _SERVER + _PROXY,
    "endpoint": _CLIENT + ["divide", "restart"],
    "unix": _CLIENT + _SERVER + _CLOCK + _PROXY,
    "local": _CLIENT + _SERVER,
    "tls": _CLIENT + _SERVER + _PROXY,
    "netns": _CLIENT + _SERVER + ["partition"],
    "sentinel": _CLIENT + ["kill_sentinel", "kill_replica", "failover", "kill_primary"],
    "cluster": _CLIENT + ["kill_replica", "take_over", "kill_primary", "stop_primary", "slot_migration"],
    "quorum3": _CLIENT + _SERVER + ["come_back_empty"] + _CLOCK + _PROXY,
    "quorum5": _SERVER + ["come_back_empty"] + _PROXY,
}

# The violations that a scenario must find, no more and no less.
MUST_FIND = {
    "stopped_holder": LATE,
    "restart_while_held": set(),
    "restart_empty_while_held": TWO_HOLDERS,
    "clock_forward_while_held": TWO_HOLDERS,
    "promotion_of_a_replica_that_lags": TWO_HOLDERS,
    "minority_restarted_empty": set(),
    "majority_restarted_empty": TWO_HOLDERS,
    "clock_of_one_forward_while_held": set(),
}

SCENARIOS = {
    "resp2": ["stopped_holder", "restart_while_held"],
    "endpoint": ["stopped_holder"],
    "tcp": ["stopped_holder", "restart_while_held", "restart_empty_while_held", "clock_forward_while_held"],
    "unix": ["stopped_holder", "restart_while_held", "restart_empty_while_held", "clock_forward_while_held"],
    "local": ["stopped_holder", "restart_while_held", "restart_empty_while_held"],
    "tls": ["stopped_holder", "restart_while_held", "restart_empty_while_held"],
    "netns": ["stopped_holder", "restart_while_held", "restart_empty_while_held"],
    "sentinel": ["stopped_holder", "promotion_of_a_replica_that_lags"],
    "cluster": ["stopped_holder", "promotion_of_a_replica_that_lags"],
    "quorum3": ["stopped_holder", "minority_restarted_empty", "clock_of_one_forward_while_held",
                "majority_restarted_empty"],
    "quorum5": ["minority_restarted_empty", "majority_restarted_empty"],
}
