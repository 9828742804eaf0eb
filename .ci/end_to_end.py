"""Runs the built function under `cargo lambda watch` against moto, an AWS that others wrote.

Usage: end_to_end.py BINARY

Each file of events/ is sent by `cargo lambda invoke`. Then the whole way: the primary is available, is stopped by a
StopDBInstance call, the flags are set, it is started, the flags are cleared.
"""

import http.client
import http.server
import json
import logging
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

import boto3
from moto.server import ThreadedMotoServer

ROOT = pathlib.Path(__file__).parent.parent
REGION = "us-east-1"
FUNCTION = "rds-route53-failover"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}

TICK = ("stay", [])
IGNORED = ("ignore", [])
EVENTS = {
    "tick": TICK,
    "scheduled-by-rule": TICK,
    "scheduled-by-scheduler": TICK,
    "sns-rds-event": TICK,
    "sns-several-records": TICK,
    "eventbridge-rds-event": TICK,
    "eventbridge-rds-event-prefixed": TICK,
    "sns-another-database": IGNORED,
    "sns-first-message": IGNORED,
    "sns-action-is-no-order": IGNORED,
    "eventbridge-another-database": IGNORED,
    # It names the primary, so it wakes the function; the action in it is no order.
    "eventbridge-action-is-no-order": TICK,
    "unknown-event": "EventNotUnderstood",
    "status": TICK,
    "check": TICK,
    "pause": ("stay", ["pause"]),
    "resume": ("stay", ["resume"]),
    # Without `force` an order stays behind the guards: the primary is healthy, and traffic is on it.
    "failover": TICK,
    "failback": TICK,
}


class VersionKeeper(http.server.BaseHTTPRequestHandler):
    """Stands before moto's Route 53, which leaves HealthCheckVersion at 1 and never compares it.

    The function rests on that version as Route 53 keeps it: an update that names another one is refused, and each
    update adds one. That alone is added here; all else is moto's.
    """

    protocol_version = "HTTP/1.1"
    upstream = None
    lock = threading.Lock()
    versions = {}

    def do_POST(self):
        check = re.fullmatch(r"/2013-04-01/healthcheck/([^/]+)", self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.lock:
            known = self.versions.get(check[1], 1) if check else None
            sent = re.search(rb"<HealthCheckVersion>(\d+)<", body)
            if check and self.command == "POST" and sent and int(sent[1]) != known:
                error = (
                    '<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type>'
                    f"<Code>HealthCheckVersionMismatch</Code><Message>the version is {known}</Message></Error>"
                    "<RequestId>1</RequestId></ErrorResponse>"
                )
                self.reply(409, "text/xml", error.encode())
                return
            upstream = http.client.HTTPConnection(*self.upstream)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            if check and answer.status == 200:
                if self.command == "POST":
                    known += 1
                    self.versions[check[1]] = known
                content = re.sub(rb"(?<=<HealthCheckVersion>)\d+", str(known).encode(), content)
        self.reply(answer.status, answer.headers.get("content-type", "text/xml"), content)

    do_GET = do_POST

    def reply(self, status, kind, content):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Lambda:
    """The built function behind cargo-lambda's Runtime API."""

    def __init__(self, binary, variables, name=FUNCTION):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        log = (ROOT / "target" / "end-to-end.log").open("w")
        watch = ["cargo-lambda", "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", self.port]
        self.processes = [subprocess.Popen(watch, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)]
        self.wait_for_port()
        environment = {
            **CREDENTIALS,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{self.port}/.rt/{FUNCTION}",
            **variables,
        }
        self.processes.append(
            subprocess.Popen([binary], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        )

    def wait_for_port(self):
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", int(self.port))).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise TimeoutError("cargo lambda watch does not listen")

    def invoke(self, file):
        """The response, or the `errorType` of a failed invocation."""
        if self.processes[-1].poll() is not None:
            sys.exit("the function has ended; what it logged is in target/end-to-end.log")
        command = ["cargo-lambda", "lambda", "invoke", FUNCTION, "--data-file", str(file)]
        address = ["--invoke-address", "127.0.0.1", "--invoke-port", self.port]
        done = subprocess.run(command + address, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)
        if done.returncode == 0:
            return json.loads(done.stdout)
        failed = re.search(r"^Error: (\w+)$", done.stderr, re.MULTILINE)
        return failed[1] if failed else done.stderr

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(10)


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: expected {expected}, found {found}; what the function logged is in target/end-to-end.log")
    print(f"ok: {what}", flush=True)


def outcome(response):
    return (response["decision"], response["actions"]) if isinstance(response, dict) else response


def main():
    binary = os.path.abspath(sys.argv[1])
    os.environ.update(CREDENTIALS)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    VersionKeeper.upstream = moto.get_host_and_port()
    url = "http://%s:%d" % VersionKeeper.upstream
    keeper = http.server.ThreadingHTTPServer(("127.0.0.1", 0), VersionKeeper)
    threading.Thread(target=keeper.serve_forever, daemon=True).start()
    route53_url = "http://127.0.0.1:%d" % keeper.server_address[1]

    rds = boto3.client("rds", REGION, endpoint_url=url)
    route53 = boto3.client("route53", REGION, endpoint_url=route53_url)
    instance = {"DBInstanceClass": "db.m7g.large", "Engine": "postgres", "AllocatedStorage": 100,
                "MasterUsername": "orders", "MasterUserPassword": "not-a-secret"}
    rds.create_db_instance(DBInstanceIdentifier="orders-primary", BackupRetentionPeriod=7, **instance)
    rds.create_db_instance_read_replica(DBInstanceIdentifier="orders-replica",
                                        SourceDBInstanceIdentifier="orders-primary")
    check = route53.create_health_check(
        CallerReference="end-to-end",
        HealthCheckConfig={"Type": "TCP", "FullyQualifiedDomainName": "orders-primary.example.com", "Port": 5432},
    )["HealthCheck"]["Id"]

    def flags():
        now = route53.get_health_check(HealthCheckId=check)["HealthCheck"]
        config = now["HealthCheckConfig"]
        return config["Disabled"], config["Inverted"], now["HealthCheckVersion"]

    def tags():
        found = route53.list_tags_for_resource(ResourceType="healthcheck", ResourceId=check)
        return {tag["Key"]: tag["Value"] for tag in found["ResourceTagSet"]["Tags"]}

    function = Lambda(binary, {
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_ROUTE_53": route53_url,
        "PRIMARY_DB_INSTANCE_IDENTIFIER": f"arn:aws:rds:{REGION}:123456789012:db:orders-primary",
        "FAILOVER_DB_INSTANCE_IDENTIFIER": "orders-replica",
        "ROUTE53_HEALTH_CHECK_ID": check,
        "CONFIRMATION_INTERVAL": "100ms",
    })
    try:
        same("events/", {file.stem for file in (ROOT / "events").iterdir()}, set(EVENTS))
        for name, expected in EVENTS.items():
            same(f"{name}.json", outcome(function.invoke(ROOT / "events" / f"{name}.json")), expected)
        same("flags", flags(), (False, False, 1))

        def tick(what, expected):
            same(what, outcome(function.invoke(ROOT / "events" / "tick.json")), expected)

        tick("an available primary", TICK)
        rds.stop_db_instance(DBInstanceIdentifier="orders-primary")
        tick("a stopped primary", ("fail-over", ["route-to-secondary"]))
        same("flags", flags(), (True, True, 2))
        same("the failover's tag", tags()["failover:routed"].startswith("version=2 by=auto "), True)
        tick("the same again", TICK)
        rds.start_db_instance(DBInstanceIdentifier="orders-primary")
        tick("a started primary", ("fail-back", ["route-to-primary"]))
        same("flags", flags(), (False, False, 3))
        tick("the same again", TICK)
    finally:
        function.stop()
        keeper.shutdown()
        moto.stop()
    print("end to end: all as expected")


if __name__ == "__main__":
    main()
