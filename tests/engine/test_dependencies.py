"""Dependencies as Terraform writes them, and states with and without them."""

import time
from typing import Any

from engine.graph_cases import LEAF
from engine.written import written
from oracle.roots import calls_of, root
from stackly_engine.addresses import indexless
from stackly_engine.dependencies import Dependencies, dependencies, restored, stripped

CLOUD = 'terraform {\n  required_providers {\n    %s = {\n      source = "local/test/cloud"\n      configuration_aliases = [%s]\n    }\n  }\n}\n'
THING = 'resource "cloud_thing" "y" {\n}\n'


def test_providers_are_followed_by_address_through_names_aliases_and_inheritance() -> None:
    """Equal to `terraform graph` of Terraform 1.11.4 for these files with a provider of that address."""
    configuration = written(
        {
            "main.tf": CLOUD.replace("      configuration_aliases = [%s]\n", "") % "cloud"
            + 'provider "cloud" {\n  tag = local.t\n}\nlocals {\n  t = terraform_data.p.output\n}\n'
            'provider "cloud" {\n  alias = "west"\n  tag = module.plain.out\n}\n'
            'resource "terraform_data" "p" {\n}\nresource "terraform_data" "q" {\n}\n'
            'resource "cloud_thing" "a" {\n}\nresource "cloud_thing" "b" {\n  provider = cloud.west\n}\n'
            'module "plain" {\n  source = "./plain"\n  in = terraform_data.q.id\n}\n'
            'module "m" {\n  source = "./m"\n  providers = { far = cloud, far.off = cloud.west }\n}\n'
            'module "inherits" {\n  source = "./n"\n}\n',
            "plain/main.tf": 'variable "in" {\n}\noutput "out" {\n  value = var.in\n}\n',
            "m/main.tf": CLOUD % ("far", "far.off") + 'resource "terraform_data" "none" {\n}\n'
            'resource "cloud_thing" "x" {\n  provider = far.off\n}\n'
            'module "n" {\n  source = "../n"\n  providers = { cloud = far.off }\n}\n'
            'module "n2" {\n  source = "../n"\n}\n',
            "n/main.tf": CLOUD.replace("      configuration_aliases = [%s]\n", "") % "cloud" + THING,
        },
        plain="plain", m="m", m__n="n", m__n2="n", inherits="n",
    )  # fmt: skip
    assert not configuration.whole
    assert dict(dependencies(configuration).of) == {
        "cloud_thing.a": ("terraform_data.p",),
        "cloud_thing.b": ("terraform_data.q",),
        "module.inherits.cloud_thing.y": ("terraform_data.p",),
        "module.m.cloud_thing.x": ("terraform_data.q",),
        "module.m.module.n.cloud_thing.y": ("terraform_data.q",),
        "module.m.module.n2.cloud_thing.y": ("terraform_data.p",),
        "module.m.terraform_data.none": (),
        "terraform_data.p": (),
        "terraform_data.q": (),
    }


def test_create_before_destroy_spreads_to_what_is_needed() -> None:
    first = "lifecycle {\n    create_before_destroy = true\n  }\n"
    configuration = written(
        {
            "main.tf": 'resource "t" "a" {\n}\ndata "t" "d" {\n  x = t.a.id\n}\nresource "t" "b" {\n  x = data.t.d.x\n}\n'
            f'resource "t" "c" {{\n  x = t.b.id\n  {first}}}\nresource "t" "e" {{\n  x = t.c.id\n'
            "  lifecycle {\n    create_before_destroy = false\n  }\n}\n"
        }
    )
    found = dependencies(configuration)
    assert found.literal_before_destroy == {"t.c"}
    assert found.before_destroy == {"t.a", "t.b", "t.c"}
    assert found.of["t.e"] == ("data.t.d", "t.a", "t.b", "t.c")


def test_indexless_addresses() -> None:
    assert indexless('module.a["x.y]\\"["].module.b[0].t.n["k"]') == "module.a.module.b.t.n"
    assert indexless('aws_x.y[each.value["k"]]\n') == "aws_x.y"


KNOWN = Dependencies({"module.m.t.n": ("data.t.d", "t.a"), "t.a": ()}, frozenset({"t.a"}), frozenset())


def resource(name: str, *instances: dict[str, Any], module: str = "", mode: str = "managed") -> dict[str, Any]:
    found: dict[str, Any] = {"mode": mode, "type": "t", "name": name, "instances": list(instances)}
    return {"module": module, **found} if module else found


def test_a_state_gets_both_fields_and_loses_them() -> None:
    deposed = {"deposed": "00000001", "dependencies": ["t.old"], "create_before_destroy": True}
    gone = resource("gone", {"dependencies": ["t.x"]})
    data = resource("d", {"dependencies": ["t.x"]}, mode="data")
    before = [
        resource(
            "n", {"index_key": 0, "dependencies": ["t.z"], "create_before_destroy": True}, {}, module='module.m["k"]'
        ),
        resource("a", {"dependencies": ["t.z"]}, deposed),
        gone,
        data,
    ]
    full = {"dependencies": ["data.t.d", "t.a"]}
    assert restored(before, KNOWN) == [
        resource("n", {"index_key": 0, **full}, full, module='module.m["k"]'),
        resource("a", {"create_before_destroy": True}, deposed),
        gone,
        data,
    ]
    assert stripped(before) == [
        resource("n", {"index_key": 0}, {}, module='module.m["k"]'),
        resource("a", {}, deposed),
        resource("gone", {}),
        data,
    ]
    assert stripped(before, KNOWN)[2] == gone
    assert before[0]["instances"][0]["create_before_destroy"] is True


def test_of_is_a_mapping_of_all_resources() -> None:
    for seed in range(400, 420):
        files = root(seed)
        of = dependencies(written(files, **calls_of(files))).of
        assert len(of) == len(list(of))
        assert all(address in of and found == tuple(sorted(found)) for address, found in of.items())
        assert all(needed in of and address not in of[needed] for address, found in of.items() for needed in found)
        assert "terraform_data.none" not in of


def test_thousands_of_modules_are_closed_in_seconds() -> None:
    count = 2000
    text = "".join(
        f'module "m{n}" {{\n  source = "./leaf"\n  in = {f"module.m{n - 1}.out" if n else 1}\n}}\n'
        for n in range(count)
    )
    configuration = written({"main.tf": text, "leaf/main.tf": LEAF}, **{f"m{n}": "leaf" for n in range(count)})
    start = time.process_time()
    of = dependencies(configuration).of
    assert len(of[f"module.m{count - 1}.terraform_data.r"]) == count - 1
    assert time.process_time() - start < 10
