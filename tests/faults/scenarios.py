"""What must break exclusion, or must not, step by step: a holder `a` that writes without asking
whether it still holds, and another `b`."""

import threading
import time

from world import eventually


def stopped_holder(world):
    """A holder is stopped past its lease, and writes when it runs again."""
    a, b = world.puppet(ttl=1.0), world.puppet()
    a.acquire()
    a.write(accepted=True)
    a.stop()
    b.acquire()
    b.write(accepted=True)
    a.cont()
    a.write(accepted=False)
    _end(a, b)


def restart_while_held(world):
    """The server is restarted with its data while somebody holds."""
    def restart():
        world.topology.server.kill9()
        world.topology.server.restart()
    a, b = world.puppet(), world.puppet()
    a.acquire()
    restart()
    waits = threading.Thread(target=b.acquire)
    waits.start()
    for _ in range(5):
        a.write(accepted=True)
        time.sleep(0.1)  # in which b could come, if it were let
    a.release()
    waits.join()
    b.write(accepted=True)
    _end(b)


def restart_empty_while_held(world):
    """... and without its data."""
    def forget():
        world.topology.lose_data()
        world.topology.server.restart()
    _lose_while_held(world, forget)


def clock_forward_while_held(world):
    """The server's clock steps forward while somebody holds."""
    _lose_while_held(world, lambda: world.topology.clock.step(60))


def promotion_of_a_replica_that_lags(world):
    """A replica is promoted that was cut off while somebody acquired."""
    group = world.topology.group
    former = group.primary()
    replicas = [server for server in group.servers if server is not former]

    def lag(password):
        for replica in replicas:
            group.call(replica, "CONFIG", "SET", "masterauth", password)
    lag("wrong")
    group.call(former, "CLIENT", "KILL", "TYPE", "replica")
    if not eventually(lambda: all(group.call(replica, "INFO", "replication")["master_link_status"] == "down"
                                  for replica in replicas)):
        raise RuntimeError("the replicas do not lag")

    def promote():
        former.kill9()
        lag("")
        group.wait_for_another(former)
    _lose_while_held(world, promote)
    group.restart_as_replica(former)


def _lose_while_held(world, lose):
    """a holds, and does not see that the server loses its lock: it is stopped meanwhile."""
    a, b = world.puppet(ttl=30.0), world.puppet()
    a.acquire()
    a.write(accepted=True)
    a.stop()
    lose()
    b.acquire()
    b.write(accepted=True)
    a.cont()
    a.write(accepted=False)
    _end(a, b)


def _end(*puppets):
    for puppet in puppets:
        puppet.release()
