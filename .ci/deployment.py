"""Deploys the released template into moto, and runs the built function exactly as deployed.

Usage: deployment.py FUNCTION EMULATOR

For each set of parameters: AWS's SAM translator makes the template, moto's CloudFormation creates every resource that it
knows (the rest is listed), the function runs with the environment of the deployed stack, and Principal Mapper judges each
of its calls against the deployed role. What is granted and never used is listed; what has no reason fails.
"""

import http.server
import json
import logging
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import threading
import warnings
from collections import defaultdict

import boto3
from moto.cloudformation.parsing import get_model_list
from moto.rds.models import rds_backends
from moto.server import ThreadedMotoServer

from deployment_sets import CLOSED, FUNCTION_CONFIGURATION, GRANTED_FOR_OTHERS, HERE, SETS
from end_to_end import CREDENTIALS, Lambda, VersionKeeper, outcome, same
from policies import ACCOUNT, Call, Role, call_of

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "release"))
from template import ROOT, released  # noqa: E402


class Recorder(VersionKeeper):
    """Keeps each call, and sends CloudWatch's to the emulator: the SDK encodes them in CBOR, which moto can't read."""

    calls = []
    emulator = None

    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        call = call_of(self.command, self.path, self.headers, body)
        self.calls.append(call)
        if call.action.startswith("cloudwatch:"):
            upstream = http.client.HTTPConnection(self.emulator)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "date"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        self.rfile = Buffer(body)
        super().do_POST()
        self.rfile = self.connection.makefile("rb", -1)

    do_GET = do_POST


class Buffer:
    """A body that was read already."""

    def __init__(self, body):
        self.body = body

    def read(self, _):
        return self.body


class Account:
    """moto's account, with what users have before they deploy."""

    def __init__(self, url):
        self.url = url
        client = lambda service, region=HERE: boto3.client(service, region, endpoint_url=url)  # noqa: E731
        self.client = client
        client("s3").create_bucket(Bucket="releases")
        client("s3").put_object(Bucket="releases", Key="function.zip", Body=b"PK\x05\x06" + bytes(18))
        self.zone = client("route53").create_hosted_zone(Name="example.com", CallerReference="zone")["HostedZone"]["Id"]
        self.zone = self.zone.rsplit("/", 1)[1]
        self.check = self.health_check("existing")
        self.endpoint_check = self.health_check("endpoint")
        self.record_check = self.health_check("record", Type="CALCULATED", HealthThreshold=1,
                                              ChildHealthChecks=[self.check])
        self.failover_records("anew.example.com", self.record_check)
        self.topic = client("sns").create_topic(Name="existing")["TopicArn"]
        vpc = client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet = client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        groups = client("ec2").describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
        self.group = groups["SecurityGroups"][0]["GroupId"]

    def health_check(self, reference, **config):
        config = config or {"Type": "TCP", "FullyQualifiedDomainName": "orders-primary.example.com", "Port": 5432}
        created = self.client("route53").create_health_check(CallerReference=reference, HealthCheckConfig=config)
        return created["HealthCheck"]["Id"]

    def failover_records(self, name, check):
        """A pair of records that its owner made, with this check on the primary one."""
        sets = [
            {"Name": name, "Type": "CNAME", "TTL": 5, "SetIdentifier": failover.lower(), "Failover": failover,
             "ResourceRecords": [{"Value": f"{failover.lower()}.example.net"}]}
            for failover in ("PRIMARY", "SECONDARY")
        ]
        sets[0]["HealthCheckId"] = check
        changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in sets]
        self.client("route53").change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch={"Changes": changes})

    def databases(self, primary_region):
        """A primary and its replica, new for each set."""
        for region in (HERE, primary_region):
            rds_backends[ACCOUNT][region].reset()
        instance = {"DBInstanceClass": "db.m7g.large", "Engine": "postgres", "AllocatedStorage": 100,
                    "MasterUsername": "orders", "MasterUserPassword": "not-a-secret", "BackupRetentionPeriod": 7}
        primary = self.client("rds", primary_region).create_db_instance(DBInstanceIdentifier="orders-primary", **instance)
        source = primary["DBInstance"]["DBInstanceArn"] if primary_region != HERE else "orders-primary"
        self.client("rds").create_db_instance_read_replica(DBInstanceIdentifier="orders-replica",
                                                           SourceDBInstanceIdentifier=source)
        return Pair(primary_region)


class Pair:
    """The two instances in moto's memory, for what its API can't do."""

    def __init__(self, region):
        self.primary = rds_backends[ACCOUNT][region].databases["orders-primary"]
        self.replica = rds_backends[ACCOUNT][HERE].databases["orders-replica"]

    def on_its_own(self):
        """moto leaves the source of a promoted replica in place; RDS takes it away, and its primary's list, too."""
        self.replica.source_db_instance_identifier = None
        self.replica.status = "available"
        self.primary.replicas = []
        self.primary.status = "available"


def for_moto(template, kinds):
    """The template less what moto can't resolve: an attribute of a resource that it does not know. With what was left out."""
    lacking = {name for name, resource in template["Resources"].items() if resource["Type"] not in kinds}
    reads = re.compile("|".join(rf'"Fn::GetAtt": \["{name}"|\$\{{{name}\.' for name in lacking))
    dropped = {name for name, resource in template["Resources"].items()
               if name not in lacking and reads.search(json.dumps(resource))}
    mentions = re.compile("|".join(rf'"Ref": "{name}"|\$\{{{name}[.}}]' for name in lacking | dropped))
    resources = {name: resource for name, resource in template["Resources"].items() if name not in dropped}
    outputs = {name: output for name, output in template["Outputs"].items() if not mentions.search(json.dumps(output))}
    return {**template, "Resources": resources, "Outputs": outputs}, sorted(dropped)


class Stack:
    def __init__(self, account, name, parameters):
        self.account, self.name = account, name
        template = released("0.0.0", parameters)
        values = {"CodeBucket": "releases", "CodeKey": "function.zip", **parameters}
        self.values = values
        unknown = values.keys() - template["Parameters"].keys()
        if unknown:
            sys.exit(f"{name}: the template has no parameter {sorted(unknown)}")
        self.cloudformation = account.client("cloudformation")
        self.kinds = {model.cloudformation_type() for model in get_model_list()}
        self.lacking = sorted({resource["Type"] for resource in template["Resources"].values()} - self.kinds)
        template, self.dropped = for_moto(template, self.kinds)
        self.cloudformation.create_stack(
            StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()],
        )
        stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        same(f"{name}: the stack", stack["StackStatus"], "CREATE_COMPLETE")
        found = self.cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        created = {resource["LogicalResourceId"] for resource in found if "LogicalResourceId" in resource}
        self.created = created
        known = {logical: resource for logical, resource in template["Resources"].items()
                 if resource["Type"] in self.kinds}
        always = {logical for logical, resource in known.items() if "Condition" not in resource}
        same(f"{name}: resources without a condition that moto did not create", sorted(always - created), [])
        self.conditional = known.keys() - always

    def configuration(self):
        return self.account.client("lambda").get_function_configuration(FunctionName=self.name)

    def role(self):
        return Role(self.account.client("iam"), self.configuration()["Role"].rsplit("/", 1)[1])


def run(account, recorder_url, binary, chosen):
    """One set of parameters, from the deployment to the verdict on each call."""
    name = chosen.name
    print(f"\n---- {name}: {chosen.why}", flush=True)
    pair = account.databases(chosen.primary_region)
    listener = socket.create_server(("127.0.0.1", 0))
    standby = socket.create_server(("127.0.0.1", 0))
    parameters = chosen.parameters(account, listener.getsockname()[1], standby.getsockname()[1])
    stack = Stack(account, name, parameters)
    configuration = stack.configuration()
    same(f"{name}: handler and runtime",
         {key: configuration[key] for key in FUNCTION_CONFIGURATION}, FUNCTION_CONFIGURATION)
    # CloudFormation hands a parameter of type Number on as text; moto as a number.
    deployed = {variable: str(value) for variable, value in configuration["Environment"]["Variables"].items()}
    role = stack.role()

    Recorder.calls = calls = []
    function = Lambda(binary, {**deployed, "AWS_ENDPOINT_URL": recorder_url}, name)
    try:
        for step in chosen.steps:
            if callable(step):
                step(pair, listener)
                continue
            event, expected = step
            file = ROOT / "target" / "deployment-event.json"
            file.write_text(json.dumps(event))
            same(f"{name}: {shlex.quote(json.dumps(event))}", outcome(function.invoke(file)), expected)
    finally:
        function.stop()
        listener.close()
        standby.close()

    for call in {str(call): call for call in calls}.values():
        if not role.allows(call):
            sys.exit(f"{name}: the deployed role does not allow {call}")
    print(f"ok: {name}: the deployed role allows each of {len({str(call) for call in calls})} different calls")
    closed = [Call(*call) for call in CLOSED + chosen.closed]
    same(f"{name}: allowed, of {len(closed)} calls that must be closed",
         [str(call) for call in closed if role.allows(call)], [])
    changes = sorted({call.action for call in calls} & {
        "route53:UpdateHealthCheck", "route53:ChangeTagsForResource", "rds:PromoteReadReplica", "rds:StopDBInstance",
        "sns:Publish"})
    if chosen.observes:
        same(f"{name}: changes in observe mode", changes, [])
    return stack, role, calls


def swap(stack):
    """The runbook's update after a promotion, with its own parameters: it changes these and nothing else."""
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    command = next(line for line in runbook.splitlines()
                   if line.startswith("aws cloudformation update-stack") and "PrimaryDbInstanceIdentifier" in line)
    changed = dict(re.findall(r"ParameterKey=(\w+),ParameterValue=(\S+)", command))
    same("what the runbook's swap changes", sorted(changed),
         ["PrimaryDbInstanceIdentifier", "ReplicaDbInstanceIdentifier"])

    def resources():
        found = stack.cloudformation.describe_stack_resources(StackName=stack.name)["StackResources"]
        return {resource["LogicalResourceId"]: resource.get("PhysicalResourceId") for resource in found
                if "LogicalResourceId" in resource}

    before, was = resources(), stack.configuration()
    # moto knows no previous value of a parameter that was left at its default; left out, it has that again.
    kept = [{"ParameterKey": key, "UsePreviousValue": True} for key in stack.values if key not in changed]
    stack.cloudformation.update_stack(
        StackName=stack.name, UsePreviousTemplate=True, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in changed.items()] + kept,
    )
    now = stack.configuration()
    same("resources that the swap made or removed", resources().items() ^ before.items(), set())
    same("the code after the swap", now["CodeSha256"], was["CodeSha256"])
    # That a parameter reaches the function is seen above: moto's update leaves the environment as it was.
    known = stack.cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]["Parameters"]
    found = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in known}
    expected = {key: str(value) for key, value in {**stack.values, **changed}.items()}
    same("the parameters after the swap", {key: found[key] for key in expected}, expected)


def unused(role, calls):
    """What the role grants that no call of this set needed."""
    made = {(call.action, call.resource) for call in calls}
    return {(action, resource) for action, resource in role.grants() if (action, resource) not in made}


def main():
    binary, emulator_binary = map(os.path.abspath, sys.argv[1:3])
    os.environ.update(CREDENTIALS)
    # What moto does not know is listed at the end, once.
    warnings.filterwarnings("ignore", message="Tried to parse")
    logging.getLogger("moto").setLevel(logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    VersionKeeper.upstream = moto.get_host_and_port()
    emulator = subprocess.Popen([emulator_binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    Recorder.emulator = json.loads(emulator.stdout.readline())["url"].removeprefix("http://").rstrip("/")
    recorder = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=recorder.serve_forever, daemon=True).start()
    account = Account("http://%s:%d" % VersionKeeper.upstream)
    # An action is idle if no set in which it is granted used it.
    granted, used, lacking = defaultdict(set), set(), set()
    conditional, created = set(), set()
    try:
        for chosen in SETS:
            stack, role, calls = run(account, "http://127.0.0.1:%d" % recorder.server_address[1], binary, chosen)
            if chosen.name == "full":
                swap(stack)
            lacking |= {*stack.lacking, *stack.dropped}
            conditional |= stack.conditional
            created |= stack.created
            used |= {call.action for call in calls}
            for action, resource in sorted(unused(role, calls)):
                print(f"   granted, not used in this set: {action} on {resource}")
            for action, _ in role.grants():
                granted[action].add(chosen.name)
    finally:
        recorder.shutdown()
        emulator.stdin.close()
        emulator.terminate()
        emulator.wait(10)
        moto.stop()

    print("\nNOT CREATED, because moto's CloudFormation does not know them: " + ", ".join(sorted(lacking)))
    same("resources with a condition that no set created", sorted(conditional - created), [])
    idle = granted.keys() - used
    for action in sorted(idle & GRANTED_FOR_OTHERS.keys()):
        print(f"granted and not called by the function: {action}, for {GRANTED_FOR_OTHERS[action]}")
    if idle - GRANTED_FOR_OTHERS.keys():
        sys.exit(f"granted and never used: {sorted(idle - GRANTED_FOR_OTHERS.keys())}")
    same("calls that nothing grants", sorted(used - granted.keys()), [])
    print("deployment: all as expected")


if __name__ == "__main__":
    main()
