"""Running a command as a shell would: its wall time, its instructions, its round trips; case H."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time


def wall_us(command, environment):
    """From the start to the end of a command that must succeed."""
    variables = {**os.environ, **environment}
    begin = time.perf_counter_ns()
    pid = os.posix_spawnp(command[0], command, variables,
                          file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter_ns() - begin) / 1e3
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return took


def instructions(command, environment, directory):
    """Of the command's own process, counted by callgrind; None without valgrind. Machines in the
    cloud often have no hardware counters, so `perf stat` is not to be relied on."""
    if not shutil.which("valgrind"):
        return None
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/callgrind", *command],
        env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    found = re.findall(r"Collected : (\d+)", done.stderr)
    return int(found[0]) if found else None


# A line of strace -f: pid, call, descriptor, rest.
CALL = re.compile(r"^(\d+) +(\w+)\((\d+)?(.*)")
SENDS = {"write", "sendto", "sendmsg", "writev"}
RECEIVES = {"read", "recvfrom", "recvmsg", "readv"}


def flights(command, environment, directory):
    """How often the command sent to its server and then took an answer, before its own command
    started; None without strace. The handshake of TCP is not counted."""
    if not shutil.which("strace"):
        return None
    log = pathlib.Path(directory, "strace")
    calls = ",".join(sorted({"connect", "execve", "socket", *SENDS, *RECEIVES}))
    subprocess.run(["strace", "-f", "-qq", "-e", f"trace={calls}", "-o", log, *command],
                   env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return count_flights(log.read_text(errors="replace").splitlines())


def count_flights(lines):
    connections, sent, count, started = set(), set(), 0, 0
    for line in lines:
        match = CALL.match(line)
        if not match:
            continue
        _, call, descriptor, rest = match.groups()
        failed = re.search(r"= -1 E", rest)
        if call == "execve" and not failed:
            started += 1
            if started == 2:  # the first is the tool itself
                break
        elif call == "connect" and ("AF_INET" in rest or "AF_UNIX" in rest) and "nscd" not in rest:
            if not failed or "EINPROGRESS" in rest:
                connections.add(descriptor)
        elif descriptor in connections and call in SENDS and not failed:
            sent.add(descriptor)
        elif descriptor in connections and call in RECEIVES and descriptor in sent and not failed:
            sent.remove(descriptor)
            count += 1
    return count


def stop_local(directory):
    """Ends the private server that dlock started there."""
    pid = pathlib.Path(directory, "redis.pid")
    if pid.is_file() and pid.read_text().strip():
        os.kill(int(pid.read_text()), signal.SIGTERM)


class Etcd:
    """A server of etcd for `etcdctl lock`."""

    def __init__(self, process, url):
        self._process = process
        self.environment = {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": url}

    @staticmethod
    def start(directory):
        """None where etcd is not installed or does not answer."""
        if not shutil.which("etcd") or not shutil.which("etcdctl"):
            return None
        ports = []
        for _ in range(2):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                ports.append(probe.getsockname()[1])
        client, peer = (f"http://127.0.0.1:{port}" for port in ports)
        process = subprocess.Popen(
            ["etcd", "--data-dir", f"{directory}/etcd", "--listen-client-urls", client,
             "--advertise-client-urls", client, "--listen-peer-urls", peer,
             "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        etcd = Etcd(process, client)
        for _ in range(100):
            done = subprocess.run(["etcdctl", "endpoint", "health"],
                                  env={**os.environ, **etcd.environment},
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                return etcd
            time.sleep(0.1)
        etcd.close()
        return None

    def close(self):
        self._process.kill()
        self._process.wait()
