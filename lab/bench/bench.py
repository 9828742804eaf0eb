"""Measures the function and the recipe against the same AWS, in alternating runs, and prints tables."""

import argparse
import asyncio
import contextlib
import io
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time
import zipfile
from importlib.metadata import version
from urllib.parse import urlsplit

from servers import Application, Emulator, RuntimeApi, TlsRelay

HERE = pathlib.Path(__file__).parent
DELAY = 0.030
TICK = {"action": "tick"}
ROUTE53 = {"GetHealthCheck", "ListTagsForResource", "ChangeTagsForResource", "UpdateHealthCheck"}
MEASURES = ["start", "first", "tick", "memory"]
# What a function of 128 MB gets of a processor once it has started.
SHARE = 0.072


class Life:
    """One life of a handler, from its start to its end."""

    def __init__(self, command, environment):
        self.command, self.environment = command, environment

    async def __aenter__(self):
        self.api = await RuntimeApi().start()
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_NAME": "failover",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            **self.environment,
        }
        begun = time.perf_counter()
        self.process = await asyncio.create_subprocess_exec(
            *self.command, cwd=HERE, env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        self.start = await asyncio.wait_for(self.api.first_poll, 30) - begun
        return self

    async def invoke(self):
        return await asyncio.wait_for(self.api.invoke(TICK), 60)

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


async def run(command, emulator_binary, ticks, probes):
    """One life: its measures, in seconds and kilobytes."""
    emulator, application = await Emulator(emulator_binary, DELAY).start(), await Application(DELAY).start()
    environment = dict(emulator.environment)
    if probes:
        environment["HEALTH_ENDPOINTS"] = f"http://{application.address}/primary,tcp://{application.address}"
    try:
        async with Life(command, environment) as life:
            first = await life.invoke()
            await emulator.calls()
            warm = [await life.invoke() for _ in range(ticks)]
            calls = await emulator.calls()
            memory = peak_memory(life.process.pid)
    finally:
        await emulator.stop()
    return {
        "start": life.start,
        "first": first,
        "tick": statistics.median(warm),
        "memory": memory,
        "calls": {name: count / ticks for name, count in sorted(calls.items())},
    }


async def failover(binary, emulator_binary, promote):
    """A whole failover with three confirmations and no time between them: seconds, and calls by operation."""
    emulator = await Emulator(emulator_binary, DELAY).start()
    environment = {
        **emulator.environment,
        "CONFIRMATION_INTERVAL": "0s",
        "PROMOTE_REPLICA": "true" if promote else "false",
        "NOTIFICATION_TOPIC_ARN": "",
    }
    try:
        async with Life([binary], environment) as life:
            await life.invoke()
            await emulator.say("status orders-primary failed")
            await emulator.calls()
            return await life.invoke(), await emulator.calls()
    finally:
        await emulator.stop()


async def first_call(binary, emulator_binary, tls, share):
    """Seconds of the first invocation at a share of a processor, over plain HTTP or TLS, with no delay."""
    emulator = await Emulator(emulator_binary, 0).start()
    environment = dict(emulator.environment)
    with tempfile.TemporaryDirectory() as folder:
        if tls:
            relay = await TlsRelay(urlsplit(emulator.url).port, folder).start()
            environment.update({"AWS_ENDPOINT_URL": relay.url, "SSL_CERT_FILE": str(relay.ca)})
        try:
            async with Life([binary], environment) as life:
                with share.limit(life.process.pid):
                    return await life.invoke()
        finally:
            await emulator.stop()


class Share:
    """A control group that gives a process a share of one processor; `None` of it where there is none to be had."""

    PERIOD = 20_000

    def __init__(self, root=pathlib.Path("/sys/fs/cgroup")):
        first = root / "cpu"
        self.folder = (first if first.is_dir() else root) / f"bench-{os.getpid()}"
        self.first_version = first.is_dir()

    @contextlib.contextmanager
    def limit(self, pid):
        self.folder.mkdir()
        try:
            quota = round(self.PERIOD * SHARE)
            if self.first_version:
                (self.folder / "cpu.cfs_period_us").write_text(str(self.PERIOD))
                (self.folder / "cpu.cfs_quota_us").write_text(str(quota))
            else:
                (self.folder / "cpu.max").write_text(f"{quota} {self.PERIOD}")
            (self.folder / "cgroup.procs").write_text(str(pid))
            yield
        finally:
            (self.folder.parent / "cgroup.procs").write_text(str(pid))
            self.folder.rmdir()


def peak_memory(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def zip_size(path, name):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(path, name)
    return len(packed.getvalue())


def machine():
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return f"{cpu}, {os.cpu_count()} cores, Linux {platform.release()}"


async def measure(arguments):
    python = [sys.executable, "-m", "awslambdaric", "recipe.handler"]
    subjects = {
        "function": ([arguments.binary], False),
        "probes": ([arguments.binary], True),
        "recipe": (python, False),
    }
    results = {name: [] for name in subjects}
    for turn in range(arguments.runs + 1):
        for name, (command, probes) in subjects.items():
            result = await run(command, arguments.emulator, arguments.ticks, probes)
            # The first turn only fills the file cache.
            if turn > 0:
                results[name].append(result)
    failovers = {promote: [] for promote in (False, True)}
    for _ in range(arguments.runs):
        for promote in failovers:
            failovers[promote].append(await failover(arguments.binary, arguments.emulator, promote))
    first = {tls: [] for tls in (False, True)}
    share = Share()
    for _ in range(arguments.runs):
        for tls in first:
            try:
                first[tls].append(await first_call(arguments.binary, arguments.emulator, tls, share))
            except OSError as error:
                print(f"NOT MEASURED: the first call at a share of a processor: {error}", file=sys.stderr)
                return results, failovers, None
    return results, failovers, first


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, type=os.path.abspath)
    parser.add_argument("--emulator", required=True, type=os.path.abspath, help="the project's emulator of AWS")
    parser.add_argument("--quick", action="store_true", help="3 runs of 10 ticks instead of 15 of 30")
    parser.add_argument("--check", action="store_true", help="end with non-zero if a target is missed")
    parser.add_argument("--noise", type=float, default=1.0, help="what the time limits are multiplied by")
    arguments = parser.parse_args()
    arguments.runs, arguments.ticks = (3, 10) if arguments.quick else (15, 30)

    results, failovers, first = asyncio.run(measure(arguments))
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in MEASURES} for name, runs in results.items()
    }
    function, probes, recipe = middle["function"], middle["probes"], middle["recipe"]
    packed = zip_size(arguments.binary, "bootstrap"), zip_size(HERE / "recipe.py", "recipe.py")

    def milliseconds(seconds):
        return f"{seconds * 1000:.1f} ms"

    def row(what, ours, theirs, ratio, unit):
        print(f"| {what} | {unit(ours)} | {unit(theirs)} | {ratio:.2f} |")

    print("| | function | Python recipe | recipe ÷ function |")
    print("|---|---|---|---|")
    for key, what in [("start", "start to first poll"), ("first", "first invocation"), ("tick", "warm tick")]:
        row(what, function[key], recipe[key], recipe[key] / function[key], milliseconds)
    row("warm tick, with two probes", probes["tick"], recipe["tick"], recipe["tick"] / probes["tick"], milliseconds)
    row("peak memory", function["memory"], recipe["memory"], recipe["memory"] / function["memory"],
        lambda kilobytes: f"{kilobytes / 1024:.1f} MiB")
    print(f"| zip | {packed[0] / 1e6:.2f} MB | {packed[1] / 1e6:.4f} MB, boto3 is in Lambda's runtime | |")
    print()
    print("| failover, three confirmations, none waited for | time | Route 53 calls | all calls |")
    print("|---|---|---|---|")
    moved = {}
    for promote, runs in failovers.items():
        took, made = statistics.median(took for took, _ in runs), runs[-1][1]
        route53 = sum(count for call, count in made.items() if call in ROUTE53)
        moved[promote] = took, route53
        what = "with a promotion" if promote else "traffic alone"
        print(f"| {what} | {milliseconds(took)} | {route53} | {sum(made.values())} |")
    print()
    if first:
        plain, tls = statistics.median(first[False]), statistics.median(first[True])
        print(f"First invocation at {SHARE:.1%} of a processor: {milliseconds(plain)} over plain HTTP, "
              f"{milliseconds(tls)} over TLS.")
        print()
    calls = {name: results[name][-1]["calls"] for name in results}
    print(f"Medians of {arguments.runs} alternating runs of {arguments.ticks} ticks, every call answered after 30 ms, "
          "plain HTTP.")
    for name, made in calls.items():
        print(f"Calls of a warm tick, {name}: " + ", ".join(f"{count:g} × {call}" for call, count in made.items()) + ".")
    print(f"Machine: {machine()}; Python {platform.python_version()}, boto3 {version('boto3')}, "
          f"awslambdaric {version('awslambdaric')}.")

    tick = (1.15 * DELAY + 0.003) * arguments.noise
    steady = {"DescribeDBInstances": 2, "GetHealthCheck": 1}
    targets = [
        ("start at least 25 times faster", recipe["start"] / function["start"] * arguments.noise >= 25),
        ("peak memory at most a fifth", function["memory"] * 5 <= recipe["memory"]),
        (f"warm tick at most {milliseconds(tick)}", function["tick"] <= tick),
        (f"warm tick with probes at most {milliseconds(tick)}", probes["tick"] <= tick),
        ("zip at most 3.1 MB", packed[0] <= 3.1e6),
        ("a warm tick makes three calls", calls["function"] == steady),
        ("with probes the same three", calls["probes"] == steady),
        ("a failover makes 8 calls of Route 53", moved[False][1] == 8),
        ("with a promotion 13", moved[True][1] == 13),
    ]
    # A few runs at a share of a processor are too few to judge by.
    if first and not arguments.quick:
        targets.append(("TLS costs the first call at most 25 ms", tls - plain <= 0.025 * arguments.noise))
    print()
    for target, met in targets:
        print(f"- {'met' if met else 'MISSED'}: {target}")
    if arguments.check and not all(met for _, met in targets):
        sys.exit(1)


if __name__ == "__main__":
    main()
