"""The common recipe that the function is measured against: look at the status, switch the health check off.

Never use it. A disabled health check counts as healthy, so this keeps traffic on the dead primary.
"""

import os

import boto3

rds = boto3.client("rds")
route53 = boto3.client("route53")


def handler(event, context):
    name = os.environ["PRIMARY_DB_INSTANCE_IDENTIFIER"]
    instance = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    status = instance["DBInstanceStatus"]
    if status != "available":
        route53.update_health_check(HealthCheckId=os.environ["ROUTE53_HEALTH_CHECK_ID"], Disabled=True)
    return {"status": status}
