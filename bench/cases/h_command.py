"""H. The command from start to end: `dlock run n -- true` beside what else a shell can use."""

import shutil
import tempfile

import commands
from samples import percentile

TITLE = "H. The command from start to end"
ONE_LINE = ("import redis, subprocess, sys\n"
            "with redis.Redis(port=int(sys.argv[1])).lock('n', timeout=30): "
            "subprocess.run(['true'])")


def run(context):
    runs = 20 if context.quick else 100
    with tempfile.TemporaryDirectory(prefix="dlock-bench-") as directory:
        tools, stops = all_tools(context, directory)
        try:
            for command, environment in tools.values():
                commands.wall_us(command, environment)  # warm: files cached, local server started
            wall_times(context, tools, runs)
            if not context.times_only:
                counts(context, tools, directory)
        finally:
            for stop in stops:
                stop()


def all_tools(context, directory):
    """Name -> command and environment; and what is to be called in the end."""
    dlock = str(context.build / "dlock")
    runs_true = [dlock, "run", "n", "--", "true"]
    tools = {
        "dlock": (runs_true, {"DLOCK_URL": context.server.tcp_url}),
        "dlock-unix": (runs_true, {"DLOCK_URL": context.server.unix_url}),
        "dlock-local": (runs_true, {"DLOCK_URL": f"local:{directory}/local"}),
        "true": (["true"], {}),
    }
    stops = [lambda: commands.stop_local(f"{directory}/local")]
    if shutil.which("flock"):
        tools["flock"] = (["flock", f"{directory}/f", "true"], {})
    else:
        context.results.missing["flock"] = "flock is not installed"
    if context.available("redis-py"):
        python = str(context.command("python")[0])
        tools["redis-py"] = ([python, "-c", ONE_LINE, str(context.server.port)], {})
    etcd = commands.Etcd.start(directory)
    if etcd:
        stops.append(etcd.close)
        tools["etcdctl"] = (["etcdctl", "lock", "n", "true"], etcd.environment)
    else:
        context.results.missing["etcdctl"] = "etcd and etcdctl are not installed, or do not start"
    return tools, stops


def wall_times(context, tools, runs):
    """Every tool in every turn; each round's median."""
    for number in range(context.rounds):
        context.progress(f"H: wall time, round {number + 1}/{context.rounds}")
        times = {name: [] for name in tools}
        names = list(tools)
        for turn in range(runs):
            shift = (number + turn) % len(names)
            for name in names[shift:] + names[:shift]:
                if name in ("redis-py", "etcdctl") and turn >= runs // 5:
                    continue  # tens of milliseconds each
                times[name].append(commands.wall_us(*tools[name]))
        for name, values in times.items():
            context.results.add("H", name, 1, wall_p50_us=percentile(values, 50),
                                wall_p99_us=percentile(values, 99))


def counts(context, tools, directory):
    """Instructions and round trips do not vary: counted once."""
    for name, (command, environment) in tools.items():
        context.progress(f"H: instructions and round trips of {name}")
        instructions = commands.instructions(command, environment, directory)
        if instructions:
            context.results.add("H", name, 1, instructions=instructions)
        flights = commands.flights(command, environment, directory) if name != "true" else 0
        if flights is not None:
            context.results.add("H", name, 1, round_trips=flights)
    if not shutil.which("valgrind"):
        context.results.missing["instructions"] = "valgrind is not installed"
    if not shutil.which("strace"):
        context.results.missing["round_trips"] = "strace is not installed"
