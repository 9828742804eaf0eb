"""What a role may do, by an evaluator that others wrote: NCC Group's Principal Mapper.

It runs on the policies as deployed. The mapping from a request to the action and resource that IAM asks about is that of
AWS's Service Authorization Reference.
"""

import ast
import collections
import collections.abc
import re
import urllib.parse

import botocore.session

# Principal Mapper 1.1.5 imports these from where Python kept them until 3.9.
for name in ("Mapping", "MutableMapping"):
    setattr(collections, name, getattr(collections.abc, name))

from principalmapper.common import Node, Policy  # noqa: E402
from principalmapper.querying.query_interface import local_check_authorization_full  # noqa: E402

ACCOUNT = "123456789012"

# The prefix of an action in IAM, where it is not the name in the signature.
PREFIXES = {"monitoring": "cloudwatch"}


class Call:
    """A request as IAM sees it."""

    def __init__(self, action, resource, region):
        self.action, self.resource, self.region = action, resource, region

    def __str__(self):
        return f"{self.action} on {self.resource} in {self.region}"


def call_of(method, path, headers, body):
    """The call that a signed request makes."""
    scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", headers["authorization"])
    region, service = scope[1], scope[2]
    parameters = {key: values[0] for key, values in urllib.parse.parse_qs(body.decode("utf-8", "replace")).items()}
    if service == "route53":
        operation = route53_operation(method, path)
    elif service == "monitoring" and path.startswith("/service/"):
        operation = path.rsplit("/", 1)[1]
    else:
        operation = parameters["Action"]
    return Call(f"{PREFIXES.get(service, service)}:{operation}", resource_of(operation, path, parameters, region), region)


def route53_operation(method, path):
    """Found in Route 53's own service model, as botocore has it."""
    model = botocore.session.get_session().get_service_model("route53")
    path = path.split("?")[0].rstrip("/")
    for name in model.operation_names:
        http = model.operation_model(name).http
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", http["requestUri"].split("?")[0].rstrip("/"))
        if http["method"] == method and re.fullmatch(pattern, path):
            return name
    raise ValueError(f"Route 53 has no operation {method} {path}")


def resource_of(operation, path, parameters, region):
    if found := re.search(r"/(?:healthcheck|tags/healthcheck)/([^/?]+)", path):
        return f"arn:aws:route53:::healthcheck/{found[1]}"
    if found := re.search(r"/hostedzone/([^/?]+)", path):
        return f"arn:aws:route53:::hostedzone/{found[1]}"
    if operation == "Publish":
        return parameters["TopicArn"]
    # DescribeEvents and CloudWatch's reads know no resource.
    if "DBInstanceIdentifier" not in parameters or operation == "DescribeEvents":
        return "*"
    name = parameters["DBInstanceIdentifier"]
    return name if name.startswith("arn:") else f"arn:aws:rds:{region}:{ACCOUNT}:db:{name}"


class Role:
    """A deployed role."""

    def __init__(self, iam, name):
        described = iam.get_role(RoleName=name)["Role"]
        self.policies = {
            policy: document_of(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        }
        attached = [Policy(described["Arn"], policy, document) for policy, document in self.policies.items()]
        self.node = Node(described["Arn"], described["RoleId"], attached, None, described["AssumeRolePolicyDocument"],
                         None, 0, False, False, None, False, None)

    def allows(self, call):
        context = {"aws:RequestedRegion": call.region, "aws:SecureTransport": "true"}
        return local_check_authorization_full(self.node, call.action, call.resource, context)

    def statements(self):
        return [statement for document in self.policies.values() for statement in document["Statement"]]

    def grants(self):
        """Every action with every resource, one by one."""
        for statement in self.statements():
            for action in as_list(statement["Action"]):
                for resource in as_list(statement["Resource"]):
                    yield action, resource


def document_of(document):
    """moto keeps the text of a Python value instead of JSON, and None for `AWS::NoValue`."""
    document = ast.literal_eval(document) if isinstance(document, str) else document
    return {**document, "Statement": [statement for statement in document["Statement"] if statement]}


def as_list(value):
    return value if isinstance(value, list) else [value]
