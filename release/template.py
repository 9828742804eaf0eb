"""The released template: CloudFormation alone, with the code in a bucket of yours.

Usage: template.py VERSION >template.json

`template.yaml` names the source tree as the function's code, which `sam build` compiles. Here AWS's own SAM translator
expands the transform once, and two parameters name the zip instead, so that `aws cloudformation deploy` needs neither SAM
nor Rust.
"""

import json
import os
import pathlib
import sys

from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# The translator asks for a region and then writes none: `cmp` of two regions' output shows it (see build).
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

ROOT = pathlib.Path(__file__).parent.parent

CODE = {
    "CodeBucket": {
        "Type": "String",
        "Description": "Bucket of the stack's region that holds the function's zip.",
        "AllowedPattern": "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "ConstraintDescription": "the name of a bucket",
    },
    "CodeKey": {
        "Type": "String",
        "Description": "Key of the function's zip in that bucket. A new version needs a new key.",
        "MinLength": 1,
    },
    "Architecture": {
        "Type": "String",
        "Description": "Architecture of the zip.",
        "Default": "arm64",
        "AllowedValues": ["arm64", "x86_64"],
    },
}


def source():
    """`template.yaml` as values."""
    return yaml_parse((ROOT / "template.yaml").read_text())


def released(version, values=None):
    """The template of a release, for deployment with these parameters."""
    template = source()
    template["Description"] += f" Version {version}."
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    groups.append({"Label": {"default": "The code"}, "Parameters": list(CODE)})
    template["Parameters"].update(CODE)
    function = template["Resources"]["Function"]
    # How SAM builds it. Nothing is built from here.
    del function["Metadata"]
    function["Properties"]["CodeUri"] = {"Bucket": {"Ref": "CodeBucket"}, "Key": {"Ref": "CodeKey"}}
    # The translator wants to know the architecture, so it gets the default one and the parameter after that.
    translated = transform(template, dict(values or {}), ManagedPolicyLoader(None))
    properties = translated["Resources"]["Function"]["Properties"]
    properties["Architectures"] = [{"Ref": "Architecture"}]
    # An ordinary stack: SAM's mark would only be noise.
    properties.pop("Tags", None)
    return translated


if __name__ == "__main__":
    json.dump(released(sys.argv[1]), sys.stdout, indent=1, ensure_ascii=False)
    print()
