"""Holds what people deploy with to the released template: the Terraform module, samconfig.toml, docs/deploy.md.

Usage: released.py
"""

import json
import pathlib
import re
import shlex
import sys
import tomllib

import hcl2

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "release"))
from template import CODE, released  # noqa: E402


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: expected {expected}, found {found}")
    print(f"ok: {what}")


def terraform(parameters):
    module = hcl2.loads((ROOT / "terraform" / "main.tf").read_text())
    variables = {name.strip('"'): value for block in module["variable"] for name, value in block.items()}
    declared = variables["parameters"]["type"]
    found = dict(re.findall(r'"?(\w+)"?\s*[=:]\s*"?(optional\(\w+\)|string|number)', declared))
    kinds = {"Number": "number"}
    expected = {
        name: f"optional({kind})" if "Default" in parameter else kind
        for name, parameter in parameters.items()
        for kind in [kinds.get(parameter["Type"], "string")]
    }
    same("the Terraform module's parameters", found, expected)
    text = (ROOT / "terraform" / "main.tf").read_text()
    example = set(re.findall(r"^#\s{7}(\w+)\s+=", text, re.MULTILINE))
    same("the example's parameters that don't exist", sorted(example - parameters.keys()), [])


def samconfig(parameters):
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["deploy"]["parameters"]
    overrides = dict(pair.split("=", 1) for pair in shlex.split(config["parameter_overrides"]))
    same("samconfig.toml's parameters that don't exist", sorted(overrides.keys() - parameters.keys()), [])
    same("samconfig.toml only observes", overrides["Mode"], "observe")
    same("samconfig.toml's capabilities", config["capabilities"], "CAPABILITY_IAM")


def commands():
    """Every command of docs/deploy.md and the README, as the shell would read it."""
    pages = [(ROOT / page).read_text() for page in ("docs/deploy.md", "README.md")]
    blocks = [block for page in pages for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def documentation(parameters):
    updates = 0
    for words in commands():
        if words[:3] == ["aws", "cloudformation", "update-stack"]:
            updates += 1
            same("the update keeps code and template", "--use-previous-template" in words, True)
            given = [word for word in words if word.startswith("ParameterKey=")]
            keys = [re.match(r"ParameterKey=(\w+),", word)[1] for word in given]
            # A parameter that is left out would fall back to the template's default.
            same("the update names every parameter once", sorted(keys), sorted(parameters))
            kept = {key for key, word in zip(keys, given) if word.endswith(",UsePreviousValue=true")}
            same("the update keeps the code", CODE.keys() <= kept, True)
            same("the update keeps the checks", {"HealthCheckId", "EndpointHealthCheckId"} <= kept, True)
        if "--parameter-overrides" in words:
            overrides = words[words.index("--parameter-overrides") + 1:]
            names = {word.split("=")[0] for word in overrides if re.match(r"\w+=", word)}
            same(f"parameters of `{' '.join(words[:3])}` that don't exist", sorted(names - parameters.keys()), [])
    same("the page has the command that changes parameters alone", updates >= 1, True)


def main():
    template = released("0.0.0")
    parameters = template["Parameters"]
    same("the transform is gone", "Transform" in template, False)
    text = json.dumps(template)
    same("SAM's types are gone", "AWS::Serverless" in text, False)
    terraform(parameters)
    samconfig(parameters)
    documentation(parameters)


if __name__ == "__main__":
    main()
