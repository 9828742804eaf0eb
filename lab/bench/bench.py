"""Measures the function and the recipe against the same stubs, in alternating runs, and prints a table."""

import argparse
import asyncio
import collections
import io
import os
import pathlib
import platform
import statistics
import sys
import time
import zipfile
from importlib.metadata import version

from stubs import CHECK, Endpoint, RuntimeApi

HERE = pathlib.Path(__file__).parent
DELAY = 0.030
TICK = {"action": "tick"}
MEASURES = ["start", "first", "tick", "memory"]


async def run(command, ticks, probes):
    """One life of a handler: its measures, in seconds and kilobytes."""
    api, endpoint = await RuntimeApi().start(), await Endpoint(DELAY).start()
    url = f"http://{endpoint.address}"
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_LAMBDA_FUNCTION_NAME": "failover",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "PRIMARY_DB_INSTANCE_IDENTIFIER": "orders-primary",
        "FAILOVER_DB_INSTANCE_IDENTIFIER": "orders-replica",
        "ROUTE53_HEALTH_CHECK_ID": CHECK,
    }
    if probes:
        environment["HEALTH_ENDPOINTS"] = f"{url}/primary,tcp://{endpoint.address}"
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, cwd=HERE, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        polled = await asyncio.wait_for(api.first_poll, 30)
        first = await asyncio.wait_for(api.invoke(TICK), 30)
        endpoint.calls.clear()
        warm = [await asyncio.wait_for(api.invoke(TICK), 30) for _ in range(ticks)]
        calls = collections.Counter(endpoint.calls)
        memory = peak_memory(process.pid)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return {
        "start": polled - begun,
        "first": first,
        "tick": statistics.median(warm),
        "memory": memory,
        "calls": {name: count / ticks for name, count in sorted(calls.items())},
    }


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
            result = await run(command, arguments.ticks, probes)
            # The first turn only fills the file cache.
            if turn > 0:
                results[name].append(result)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, type=os.path.abspath)
    parser.add_argument("--quick", action="store_true", help="3 runs of 10 ticks instead of 15 of 30")
    parser.add_argument("--check", action="store_true", help="end with non-zero if a target is missed")
    parser.add_argument("--noise", type=float, default=1.0, help="what the time limits are multiplied by")
    arguments = parser.parse_args()
    arguments.runs, arguments.ticks = (3, 10) if arguments.quick else (15, 30)

    results = asyncio.run(measure(arguments))
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
        ("zip at most 3 MB", packed[0] <= 3e6),
        ("a warm tick makes three calls", calls["function"] == steady),
        ("with an HTTP probe a fourth", calls["probes"] == {**steady, "probe": 1}),
    ]
    print()
    for target, met in targets:
        print(f"- {'met' if met else 'MISSED'}: {target}")
    if arguments.check and not all(met for _, met in targets):
        sys.exit(1)


if __name__ == "__main__":
    main()
