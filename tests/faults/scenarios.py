"""What must break exclusion, or must not, step by step: a holder `a` that writes without asking
whether it still holds, and another `b`."""

import threading
import time

from topologies import lose_data
from world import LOCKS, eventually


def stopped_holder(world):
    """A holder is stopped past the end of its lease, and writes when it runs again."""
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
    """The server is restarted with its data while somebody holds the lock."""
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
        lose_data(world.topology.server)
        world.topology.server.restart()
    _lose_while_held(world, forget)


def clock_forward_while_held(world):
    """The server's clock steps forward while somebody holds the lock."""
    _lose_while_held(world, lambda: world.topology.clock.step(60))


def promotion_of_a_replica_that_lags(world):
    """A replica is promoted that was cut off while somebody acquired the lock."""
    topology = world.topology
    former = topology.server
    replicas = topology.replicas()

    def set_password(password):
        for replica in replicas:
            topology.call(replica, "CONFIG", "SET", "masterauth", password)

    def lag():
        set_password("wrong")
        topology.call(former, "CLIENT", "KILL", "TYPE", "replica")
        if not eventually(lambda: all(
                topology.call(replica, "INFO", "replication")["master_link_status"] == "down" for replica in replicas)):
            raise RuntimeError("the replicas do not lag")

    def promote():
        former.kill9()
        set_password("")
        topology.wait_for_another(former)
    _lose_while_held(world, promote, before=lag)
    topology.restart_as_replica(former)


def minority_restarted_empty(world):
    """A minority of a quorum is restarted without its data while somebody holds the lock on every server."""
    servers = world.topology.servers

    def forget():
        for server in servers[:len(servers) // 2]:
            lose_data(server)
            server.restart()
    _go_on_without(world, forget)


def clock_of_one_forward_while_held(world):
    """The clock of one server of a quorum steps forward while somebody holds the lock on every server."""
    _go_on_without(world, lambda: world.topology.clock.step(60))


def majority_restarted_empty(world):
    """... and a majority."""
    def forget():
        servers = world.topology.servers
        for server in servers[:len(servers) // 2 + 1]:
            lose_data(server)
            server.restart()
    _lose_while_held(world, forget)


def _go_on_without(world, a_minority):
    """a holds on all servers, and goes on holding while `a_minority` is lost and b waits."""
    servers = world.topology.servers
    a, b = world.puppet(ttl=30.0), world.puppet()
    a.acquire()
    if not eventually(lambda: all(server.command("GET", LOCKS[0]) for server in servers)):
        raise RuntimeError("the holder does not hold all of it")
    a_minority()
    waits = threading.Thread(target=b.acquire)
    waits.start()
    for _ in range(5):
        a.write(accepted=True)
        time.sleep(0.1)  # in which b could come, if it were let
    a.release()
    waits.join()
    b.write(accepted=True)
    _end(b)


def _lose_while_held(world, lose, before=lambda: None):
    """a holds, and does not see that the server loses its lock: it is stopped meanwhile. `before`: when
    both run, and nobody holds."""
    a, b = world.puppet(ttl=30.0), world.puppet()
    for puppet in (a, b):
        puppet.acquire()
        puppet.release()
    before()
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
