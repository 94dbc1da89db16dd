"""What breaks things: each is done and, before it returns, undone. `world` has the topology and the
clients, `chance` decides what is left open."""

import os
import signal
import time

from topologies import lose_data
from world import LOCKS


def kill_client(world, chance):
    """A client is killed with -9."""
    victim = chance.choice(world.clients())
    world.kill(victim)


def stop_client(world, chance):
    """A client is stopped (`SIGSTOP`) for less or more than its ttl."""
    victim = chance.choice(world.clients())
    _signal(victim, signal.SIGSTOP)
    time.sleep(chance.choice([0.3, 1.5 * world.ttl]))
    _signal(victim, signal.SIGCONT)


def stop_server(world, chance):
    """The server is stopped for less or more than the ttl."""
    server = world.topology.some_server(chance)
    server.stop()
    time.sleep(chance.choice([0.3, 1.2 * world.ttl]))
    server.cont()


def restart(world, chance):
    """The server is killed and restarted with its data (`appendfsync always`)."""
    server = world.topology.some_server(chance)
    server.kill9()
    time.sleep(chance.uniform(0, 0.5))
    server.restart()


def restart_empty(world, chance):
    """The server is killed and restarted without its data."""
    server = world.topology.some_server(chance)
    lose_data(server)
    server.restart()


def come_back_empty(world, chance):
    """The server is killed, stays away for the longest ttl, and comes back without its data."""
    server = world.topology.some_server(chance)
    lose_data(server)
    time.sleep(world.ttl)
    server.restart()


def script_flush(world, chance):
    """The server forgets its scripts."""
    for node in world.topology.nodes():
        node.script_flush()


def client_kill(world, chance):
    """The server kills connections."""
    for node in world.topology.nodes():
        for client in node.client_list():
            if client["name"].startswith("dlock:") and chance.random() < 0.7:
                node.execute_command("CLIENT", "KILL", "ID", client["id"])


def client_pause(world, chance):
    """The server pauses all writes (`CLIENT PAUSE`)."""
    span = chance.uniform(0.1, 1.0)
    for node in world.topology.nodes():
        node.client_pause(int(span * 1000), all=False)
    time.sleep(span)


def clock_back(world, chance):
    """The server's clock steps back."""
    world.topology.clock.step(-chance.uniform(0.1, 1.0))


def clock_forward(world, chance):
    """The server's clock steps forward by more than the ttl."""
    world.topology.clock.step(3 * world.ttl)


def delay(world, chance):
    """A proxy delays all traffic."""
    world.topology.proxy.delay(chance.uniform(0.02, 0.4))
    time.sleep(1.0)
    world.topology.proxy.delay(0)


def half_close(world, chance):
    """A proxy closes connections in one direction."""
    world.topology.proxy.half_close()


def swallow(world, chance):
    """A proxy drops traffic and reports nothing."""
    world.topology.proxy.swallow()
    time.sleep(chance.uniform(0.3, 1.0))


def bring_late(world, chance):
    """A proxy ends connections, and delivers their requests after those of the next connection."""
    world.topology.proxy.hold()
    time.sleep(chance.uniform(0.05, 0.2))
    world.topology.proxy.bring_late(chance.uniform(0.2, 1.0))
    time.sleep(1.0)


def partition(world, chance):
    """The link between two network namespaces is down for less or more than the ttl."""
    world.topology.link("down")
    time.sleep(chance.choice([0.3, 1.5 * world.ttl]))
    world.topology.link("up")


def kill_sentinel(world, chance):
    """A Sentinel is killed and restarted."""
    sentinel = chance.choice(world.topology.sentinels)
    sentinel.kill9()
    time.sleep(0.5)
    sentinel.restart()


def kill_replica(world, chance):
    """A replica is killed and restarted."""
    replica = chance.choice(world.topology.replicas())
    replica.kill9()
    time.sleep(0.3)
    world.topology.restart_as_replica(replica)


def failover(world, chance):
    """Sentinel is asked for a failover."""
    world.topology.fail_over()


def take_over(world, chance):
    """A replica is asked to take over (`CLUSTER FAILOVER`)."""
    world.topology.fail_over()


def kill_primary(world, chance):
    """The primary is killed; a replica is promoted."""
    former = world.topology.server
    former.kill9()
    world.topology.wait_for_another(former)
    world.topology.restart_as_replica(former)


def stop_primary(world, chance):
    """The primary is stopped for as long as a failover takes, and resumes as if nothing had happened."""
    former = world.topology.server
    former.stop()
    time.sleep(chance.uniform(1.5, 4))
    former.cont()
    world.topology.wait_for_replicas()


def slot_migration(world, chance):
    """A slot moves, with its lock, to another primary."""
    world.topology.move(chance.choice(LOCKS))


def divide(world, _):
    """A service divides the keys of its one endpoint among servers, by their slots."""
    world.topology.divide()


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # a command that came to its end meanwhile
        pass
