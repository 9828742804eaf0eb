"""Walks through docs/runbook.md as an operator does who has a release and no Rust.

Usage: walk.py FUNCTION CTL EMULATOR

Every command is read from the runbook and run by a shell that finds ctl and the AWS CLI, and no cargo: check and what it
finds, a planned failover and the return, then an outage with promotion, the rebuild, the swap and the return.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from end_to_end import FUNCTION, ROOT, Lambda, same

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


def commands(heading, starts):
    """The commands under a heading that start so, in order."""
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", without_comments(), re.MULTILINE | re.DOTALL)
    if not section:
        sys.exit(f"docs/runbook.md has no heading {heading!r}")
    found = [line for block in re.findall(r"```sh\n(.*?)```", section[1], re.DOTALL) for line in block.splitlines()]
    chosen = [line for line in found if line.startswith(starts)]
    if not chosen:
        sys.exit(f"docs/runbook.md, {heading}: no command starts with {starts!r}")
    return chosen


def without_comments():
    """The runbook with the comments of its shell blocks out of the way: they look like headings."""
    return re.sub(r"```sh\n.*?```", lambda block: re.sub(r"^#.*\n", "", block[0], flags=re.MULTILINE), RUNBOOK,
                  flags=re.DOTALL)


class Emulator:
    """The emulated AWS: what people and databases do to it is said on its standard input."""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = json.loads(self.process.stdout.readline())

    def __call__(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Operator:
    """A person's shell."""

    def __init__(self, folder, ctl, emulator):
        self.emulator = emulator
        programs = folder / "bin"
        programs.mkdir()
        (programs / "ctl").symlink_to(os.path.abspath(ctl))
        # PyPI's AWS CLI is version 1, which does not read the endpoints from the environment.
        aws = programs / "aws"
        aws.write_text(f"""#!/bin/sh
case $1 in lambda) url=$AWS_ENDPOINT_URL_LAMBDA ;; *) url=$AWS_ENDPOINT_URL ;; esac
exec {pathlib.Path(sys.executable).parent / "aws"} --endpoint-url "$url" "$@"
""")
        aws.chmod(0o755)
        path = f"{programs}:/usr/bin:/bin"
        for tool in ("cargo", "rustc", "sam"):
            same(f"{tool} on the path", shutil.which(tool, path=path), None)
        self.environment = {
            "PATH": path,
            "HOME": str(folder),
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL": emulator.hello["url"],
            "AWS_DEFAULT_REGION": emulator.hello["region"],
            "AWS_PAGER": "",
        }

    def run(self, command):
        """Exit code and output of a command of the runbook, with this account's names in place of the example's."""
        for example, here in {
            "orders-failover": FUNCTION,
            # Version 1 takes a payload as it is, and has no option for that.
            " --cli-binary-format raw-in-base64-out": "",
            "eu-west-1": self.emulator.hello["region"],
            "Z0ORDERS": self.emulator.hello["hosted_zone"],
            "db.orders.example": self.emulator.hello["record"],
            "HEALTH_CHECK_ID": self.emulator.hello["health_check"],
            "CHECK_ON_THE_RECORD": self.emulator.hello["health_check"],
        }.items():
            command = command.replace(example, here)
        for name, id_ in (("ENDPOINT_OF_ORDERS_REPLICA_2", "orders-replica-2"), ("ENDPOINT_OF_ORDERS_REPLICA", "orders-replica")):
            if name in command:
                command = command.replace(name, self.endpoint(id_))
        # No terminal asks here.
        if re.match(r"ctl (failover|failback|pause|resume|tick|rebuild)\b", command):
            command += " --yes"
        print(f"$ {command}", flush=True)
        done = subprocess.run(["bash", "-c", command], env=self.environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return done.returncode, done.stdout

    def endpoint(self, instance):
        query = "DBInstances[0].Endpoint.Address"
        return self.ok(f"aws rds describe-db-instances --region eu-west-1 --db-instance-identifier {instance}"
                       f" --query {query} --output text").strip()

    def ok(self, command, code=0):
        found, output = self.run(command)
        if found != code:
            sys.exit(f"{command}: exit code {found} instead of {code}\n{output}")
        return output

    def invoke(self, command):
        """What the function answers to the `aws` form of an order."""
        answer, _ = json.JSONDecoder().raw_decode(self.ok(command))
        if "errorType" in answer:
            sys.exit(f"{command}: {answer}")
        return answer

    def ctl(self, heading, verb, code=0):
        return [self.ok(command, code) for command in commands(heading, f"ctl {verb}")]

    def aws(self, heading, payload):
        """What the first `aws lambda invoke` under a heading answers whose payload has this part."""
        return self.invoke(next(command for command in commands(heading, "aws lambda invoke") if payload in command))


class Function:
    """The function, as the stack configures it."""

    def __init__(self, binary, operator):
        self.binary, self.operator, self.running = binary, operator, None

    def configure(self, **variables):
        """Starts it with these parameters: what an update of the stack does."""
        self.stop()
        environment = {**self.operator.emulator.hello["environment"], "CONFIRMATION_INTERVAL": "100ms",
                       "COOLDOWN": "1s", "PROMOTE_REPLICA": "true", **variables}
        self.running = Lambda(self.binary, environment)
        self.operator.environment["AWS_ENDPOINT_URL_LAMBDA"] = f"http://127.0.0.1:{self.running.port}"

    def stop(self):
        if self.running:
            self.running.stop()


def flags(emulator):
    found = json.loads(emulator("flags"))
    return found["disabled"], found["inverted"]


def walk(operator, function, emulator):
    function.configure()
    print("\n---- first look, and the findings of check")
    operator.ctl("First look", "status")
    same("status", operator.aws("First look", '"action":"status"')["reason"], "primary-healthy")
    operator.ctl("Stop the function", "pause")
    blocked = operator.ctl("The replica was promoted", "check", code=6)[0]
    same("check names the pause", "paused" in blocked, True)
    operator.ctl("Stop the function", "resume")
    same("check after the fix", operator.aws("The replica was promoted", '"action":"check"')["ready"], True)
    operator.ctl("The replica was promoted", "check")

    print("\n---- a planned failover and the return")
    moves = commands("Fail over", "ctl failover")[0]
    operator.ok(moves, code=1)
    same("refused while the primary is healthy", flags(emulator), (False, False))
    operator.ok(moves + " --force")
    same("flags", flags(emulator), (True, True))
    operator.ok(commands("Fail over", "ctl failback")[0])
    same("flags", flags(emulator), (False, False))
    time.sleep(1.5)

    print("\n---- an outage, with promotion")
    emulator("status orders-primary failed")
    answer = operator.aws("Fail over", '"promote":true')
    same("the order", answer["actions"], ["route-to-secondary", "promote-replica"])
    emulator("promoted orders-replica")
    same("the replica", operator.aws("First look", '"action":"status"')["replica"]["role"], "promoted")

    print("\n---- the rebuild, and the return")
    recovery = "The replica was promoted"
    rebuild = commands(recovery, "ctl rebuild")[0]
    for _ in range(30):
        code, said = operator.run(rebuild)
        if code == 0:
            break
        same("the rebuild waits", code, 6)
        time.sleep(10)
    else:
        sys.exit(f"the replica was not rebuilt within five minutes:\n{said}")
    upserts = commands(recovery, "aws route53")
    operator.ok(upserts[0])
    operator.ok(upserts[1])
    function.configure(PRIMARY_DB_INSTANCE_IDENTIFIER="orders-replica",
                       FAILOVER_DB_INSTANCE_IDENTIFIER="orders-replica-2")
    same("after the swap", operator.aws(recovery, '"action":"status"')["reason"], "forced-by-operator")
    operator.ok(commands(recovery, "ctl failback")[0])
    same("flags", flags(emulator), (False, False))
    operator.ok(upserts[2])
    emulator("lag 0.5 orders-replica-2")
    time.sleep(1.5)
    operator.ctl(recovery, "check")
    same("guarded again", operator.aws(recovery, '"action":"status"')["reason"], "primary-healthy")


def main():
    binary, ctl, emulator_binary = map(os.path.abspath, sys.argv[1:4])
    emulator = Emulator(emulator_binary)
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(pathlib.Path(folder), ctl, emulator)
        function = Function(binary, operator)
        try:
            walk(operator, function, emulator)
        finally:
            function.stop()
            emulator.stop()
    print("walk: all as the runbook says")


if __name__ == "__main__":
    main()
