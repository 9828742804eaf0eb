"""The sets of parameters that deployment.py plays."""

import dataclasses

HERE = "us-east-1"
THERE = "eu-west-1"
ACCOUNT = "123456789012"
PRIMARY = f"arn:aws:rds:{HERE}:{ACCOUNT}:db:orders-primary"
PRIMARY_THERE = f"arn:aws:rds:{THERE}:{ACCOUNT}:db:orders-primary"
REPLICA = f"arn:aws:rds:{HERE}:{ACCOUNT}:db:orders-replica"

# Without the architecture: moto's CloudFormation drops it.
FUNCTION_CONFIGURATION = {"Handler": "bootstrap", "Runtime": "provided.al2023", "MemorySize": 128}

# Granted to the role, and used by AWS on the function's behalf.
GRANTED_FOR_OTHERS = {
    "kms:GenerateDataKey": "SNS, which encrypts what the function publishes",
    "kms:Decrypt": "SNS, which encrypts what the function publishes",
    "logs:CreateLogStream": "Lambda, which writes the function's log",
    "logs:PutLogEvents": "Lambda, which writes the function's log",
    "sqs:SendMessage": "Lambda, which keeps events that failed",
}

# No set may do this. It also shows that the evaluator can say no.
CLOSED = [
    ("rds:DeleteDBInstance", PRIMARY, HERE),
    ("rds:ModifyDBInstance", REPLICA, HERE),
    ("rds:RebootDBInstance", PRIMARY, HERE),
    ("rds:PromoteReadReplica", PRIMARY, HERE),
    ("rds:StopDBInstance", REPLICA, HERE),
    ("rds:DescribeDBInstances", f"arn:aws:rds:{HERE}:{ACCOUNT}:db:another", HERE),
    ("rds:DescribeEvents", "*", "ap-southeast-2"),
    ("cloudwatch:GetMetricStatistics", "*", "ap-southeast-2"),
    ("cloudwatch:PutMetricData", "*", HERE),
    ("route53:UpdateHealthCheck", "arn:aws:route53:::healthcheck/00000000-0000-0000-0000-000000000000", HERE),
    ("route53:DeleteHealthCheck", "arn:aws:route53:::healthcheck/00000000-0000-0000-0000-000000000000", HERE),
    ("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z0000000EXAMPLE", HERE),
    ("sns:Publish", f"arn:aws:sns:{HERE}:{ACCOUNT}:another", HERE),
    ("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:{ACCOUNT}:function:another", HERE),
    ("lambda:GetFunctionConfiguration", f"arn:aws:lambda:{HERE}:{ACCOUNT}:function:another", HERE),
    ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/another", HERE),
]
NO_PROMOTION = [("rds:PromoteReadReplica", REPLICA, HERE)]
NO_FENCE = [("rds:StopDBInstance", PRIMARY, HERE), ("rds:StopDBInstance", PRIMARY_THERE, THERE)]

STATUS, CHECK, TICK = {"action": "status"}, {"action": "check"}, {"action": "tick"}
PAUSE, RESUME = {"action": "pause", "reason": "a look", "for": "1h"}, {"action": "resume"}
FAILBACK = {"action": "failback", "reason": "tried"}
STAY = ("stay", [])


def request(**more):
    return {"action": "failover", "reason": "tried", **more}


def status(text):
    """RDS shows this status of the primary from now on."""

    def set_status(pair, _):
        pair.primary.status = text

    return set_status


def on_its_own(pair, _):
    """The promotion is complete, and the old primary is back."""
    pair.on_its_own()


def unresponsive(_, listener):
    """Nothing answers the probes any more."""
    listener.close()


def multi_az(pair, _):
    """Before traffic moves from such a primary, the function asks for events of a failover of its own."""
    pair.primary.multi_az = True


@dataclasses.dataclass
class Set:
    name: str
    why: str
    values: dict
    steps: list
    primary_region: str = HERE
    closed: list = dataclasses.field(default_factory=list)
    observes: bool = False

    def parameters(self, account, port, standby):
        known = {"zone": account.zone, "check": account.check, "endpoint_check": account.endpoint_check, "record_check": account.record_check,
                 "topic": account.topic, "subnet": account.subnet, "group": account.group,
                 "probe": f"tcp://127.0.0.1:{port}", "standby": f"tcp://127.0.0.1:{standby}"}
        return {key: value.format(**known) for key, value in self.values.items()}


IN_RDS = {"PrimaryDbInstanceIdentifier": "orders-primary", "PrimaryRegion": HERE}
WITH_REPLICA = {"ReplicaDbInstanceIdentifier": "orders-replica", "ReplicaRegion": HERE}
QUICK = {"ConfirmationInterval": "100ms"}
RECORDS = {"HostedZoneId": "{zone}", "CreateRecords": "true", "PrimaryEndpoint": "primary.example.net",
           "ReplicaEndpoint": "replica.example.net"}
AROUND = [(STATUS, STAY), (CHECK, STAY), (PAUSE, ("stay", ["pause"])), (RESUME, ("stay", ["resume"])), (TICK, STAY)]

SETS = [
    Set("observe-first", "what samconfig.toml sets", {**IN_RDS, "Mode": "observe", **QUICK},
        [(STATUS, STAY), (CHECK, STAY), (TICK, STAY), status("failed"), (TICK, ("fail-over", []))],
        closed=NO_PROMOTION + NO_FENCE, observes=True),
    Set("route-only", "a replica, records, no promotion",
        {**IN_RDS, **WITH_REPLICA, **RECORDS, **QUICK, "RecordName": "route-only.example.com"},
        [*AROUND, status("stopped"), (TICK, ("fail-over", ["route-to-secondary"])), (TICK, STAY),
         (FAILBACK, STAY)],
        closed=NO_PROMOTION + NO_FENCE),
    Set("full", "promotion and fence in one region, an endpoint check beside the metric, mail",
        {**IN_RDS, **WITH_REPLICA, **RECORDS, **QUICK, "RecordName": "full.example.com", "PromoteReplica": "true",
         "FencePrimary": "stop", "EndpointHealthCheckId": "{endpoint_check}",
         "NotificationEmail": "oncall@example.com"},
        [*AROUND, status("failed"), (TICK, ("promote", ["route-to-secondary", "promote-replica"])),
         on_its_own, (TICK, ("fence", ["fence-primary"])), (TICK, STAY),
         (FAILBACK | {"force": True}, ("fail-back", ["route-to-primary"]))]),
    Set("two-regions", "the primary in another region, its events forwarded, promotion and fence",
        {**IN_RDS, "PrimaryRegion": THERE, **WITH_REPLICA, **QUICK, "PromoteReplica": "true", "FencePrimary": "stop"},
        [*AROUND, status("failed"), (TICK, ("promote", ["route-to-secondary", "promote-replica"])),
         on_its_own, (TICK, ("fence", ["fence-primary"]))],
        primary_region=THERE),
    Set("deployed-anew", "the retained switch and log group, another check on the record, an existing topic, a VPC",
        {**IN_RDS, **WITH_REPLICA, **QUICK, "HealthCheckId": "{check}", "RecordHealthCheckId": "{record_check}",
         "HostedZoneId": "{zone}", "RecordName": "anew.example.com",
         "AllowPromotionRequests": "true", "CreateLogGroup": "false", "NotificationTopicArn": "{topic}",
         "NotificationTopicKeyId": "11111111-2222-3333-4444-555555555555", "VpcSubnetIds": "{subnet}",
         "VpcSecurityGroupIds": "{group}", "ReservedConcurrency": "5"},
        [*AROUND, (request(promote=True, force=True, allow_data_loss=True),
                   ("promote", ["route-to-secondary", "promote-replica"]))],
        closed=NO_FENCE),
    Set("outside-rds", "a primary that is not in RDS, judged by probes alone",
        {"PrimaryName": "orders-galera", "HealthEndpoints": "{probe}", "SecondaryEndpoints": "{standby}", **RECORDS, **QUICK,
         "RecordName": "outside-rds.example.com"},
        [*AROUND, unresponsive, (TICK, ("fail-over", ["route-to-secondary"])), (TICK, STAY),
         (FAILBACK | {"force": True}, ("fail-back", ["route-to-primary"]))],
        closed=[("rds:DescribeDBInstances", PRIMARY, HERE), ("rds:DescribeEvents", "*", HERE),
                *NO_PROMOTION, *NO_FENCE]),
    Set("watched", "a look each second, probes of both sides",
        {**IN_RDS, **WITH_REPLICA, **QUICK, "WatchInterval": "1s", "HealthEndpoints": "{probe}",
         "OnPrimaryUnreachable": "failover"},
        [(STATUS, STAY), unresponsive, multi_az, (TICK, ("fail-over", ["route-to-secondary"]))],
        closed=NO_PROMOTION + NO_FENCE),
]
