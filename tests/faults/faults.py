"""What breaks things: each is done and, before it returns, undone. `world` has the topology and the
clients, `chance` decides what is left open."""

import os
import signal
import time


def kill_client(world, chance):
    victim = chance.choice(world.clients())
    world.kill(victim)


def stop_client(world, chance):
    victim = chance.choice(world.clients())
    _signal(victim, signal.SIGSTOP)
    time.sleep(chance.choice([0.3, 1.5 * world.ttl]))
    _signal(victim, signal.SIGCONT)


def stop_server(world, chance):
    server = world.topology.server
    server.stop()
    time.sleep(chance.choice([0.3, 1.2 * world.ttl]))
    server.cont()


def restart(world, chance):
    server = world.topology.server
    server.kill9()
    time.sleep(chance.uniform(0, 0.5))
    server.restart()


def restart_empty(world, chance):
    server = world.topology.server
    server.kill9()
    world.topology.forget()
    server.restart()


def script_flush(world, chance):
    for node in world.topology.nodes():
        node.script_flush()


def client_kill(world, chance):
    for node in world.topology.nodes():
        for client in node.client_list():
            if client["name"].startswith("dlock:") and chance.random() < 0.7:
                node.execute_command("CLIENT", "KILL", "ID", client["id"])


def client_pause(world, chance):
    span = chance.uniform(0.1, 1.0)
    for node in world.topology.nodes():
        node.client_pause(int(span * 1000), all=False)
    time.sleep(span)


def clock_back(world, chance):
    world.topology.clock.step(-chance.uniform(0.1, 1.0))


def clock_forward(world, chance):
    world.topology.clock.step(3 * world.ttl)


def delay(world, chance):
    world.topology.proxy.delay(chance.uniform(0.02, 0.4))
    time.sleep(1.0)
    world.topology.proxy.delay(0)


def half_close(world, chance):
    world.topology.proxy.half_close()


def swallow(world, chance):
    """Nobody tells the peers: their requests time out."""
    world.topology.proxy.swallow()
    time.sleep(chance.uniform(0.3, 1.0))


def bring_late(world, chance):
    world.topology.proxy.hold()
    time.sleep(chance.uniform(0.05, 0.2))
    world.topology.proxy.bring_late(chance.uniform(0.2, 1.0))
    time.sleep(1.0)


def partition(world, chance):
    world.topology.link("down")
    time.sleep(chance.choice([0.3, 1.5 * world.ttl]))
    world.topology.link("up")


def kill_sentinel(world, chance):
    sentinel = chance.choice(world.topology.group.sentinels)
    sentinel.kill9()
    time.sleep(0.5)
    sentinel.restart()


def kill_replica(world, chance):
    group = world.topology.group
    primary = group.primary()
    replica = chance.choice([server for server in group.servers if server is not primary])
    replica.kill9()
    time.sleep(0.3)
    replica.restart()
    group.call(replica, "REPLICAOF", "127.0.0.1", primary.port)
    group.wait_for_replicas()


def failover(world, chance):
    world.topology.group.fail_over()
    world.topology.group.wait_for_replicas()


def kill_primary(world, chance):
    """Its replicas may lag by what they were not sent yet."""
    group = world.topology.group
    former = group.primary()
    former.kill9()
    group.wait_for_another(former)
    former.restart()
    group.call(former, "REPLICAOF", "127.0.0.1", group.primary().port)
    group.wait_for_replicas()


def slot_migration(world, chance):
    raise NotImplementedError("dlock cannot speak to a cluster yet")


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # a command that came to its end meanwhile
        pass
