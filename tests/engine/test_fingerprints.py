"""Fingerprints: what moves which part of which unit, and what moves nothing."""

import time
from collections.abc import Mapping

import pytest

from stackly_engine.fingerprints import (
    MISSING,
    Parts,
    all_parts,
    differences,
    fingerprint,
    parts,
    value_at,
)
from written_roots import context_of, graph_of

CALLS = {"vpc": "modules/vpc", "app": "modules/app", "app.db": "modules/app/db"}
FILES = {
    "main.tf": """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
  backend "s3" {
    bucket = "one"
  }
}
module "vpc" {
  source = "./modules/vpc"
  cidr   = var.cidr
}
module "app" {
  source = "./modules/app"
  vpc    = module.vpc.id
  env    = local.env
}
""",
    "more.tf": """
variable "cidr" {}
variable "env" {}
locals {
  env = "${var.env}-x"
}
provider "aws" {
  region = "eu-central-1"
}
resource "terraform_data" "lone" {
  input = "lone"
}
output "id" {
  value = module.app.id
}
""",
    "modules/vpc/main.tf": 'variable "cidr" {}\nresource "aws_vpc" "v" {\n  cidr_block = var.cidr\n}\noutput "id" {\n  value = aws_vpc.v.id\n}\n',
    "modules/app/main.tf": 'variable "vpc" {}\nvariable "env" {}\nmodule "db" {\n  source = "./db"\n}\noutput "id" {\n  value = "1"\n}\n',
    "modules/app/db/main.tf": 'resource "terraform_data" "db" {}\n',
}
Units = dict[str, Parts]


def of(files: Mapping[str, str] = FILES, calls: Mapping[str, str] = CALLS, **changes: object) -> Units:
    return all_parts(graph_of(files, calls), context_of(files, calls, **changes))


def edited(path: str, before: str, after: str) -> dict[str, str]:
    assert before in FILES[path]
    return {**FILES, path: FILES[path].replace(before, after, 1)}


def moved(one: Units, two: Units) -> dict[str, list[str]]:
    """Unit → why it runs again."""
    found = {unit: [str(reason) for reason in differences(one[unit].of, two[unit].of)] for unit in one}
    return {unit: reasons for unit, reasons in found.items() if reasons}


def test_a_unit_has_the_parts_that_it_is_made_of() -> None:
    names = {unit: sorted(name for name in static.of) for unit, static in of().items()}
    assert set(names) == {"module.vpc", "module.app", "root.terraform_data.lone", "outputs"}
    assert {"code:main.tf", "code:more.tf", "code:modules/vpc/main.tf", "variable:cidr", "provider:aws",
            "package:registry.terraform.io/hashicorp/aws", "version", "environment", "schema"} == set(
        names["module.vpc"]
    )  # fmt: skip
    assert {"code:modules/app/main.tf", "code:modules/app/db/main.tf", "variable:env"} <= set(names["module.app"])
    assert "variable:cidr" not in names["module.app"]
    assert not any(
        name.startswith(("variable", "code:modules", "provider")) for name in names["root.terraform_data.lone"]
    )


def test_inputs_are_what_the_unit_itself_reads() -> None:
    static = of()
    assert static["module.app"].inputs == (("module.vpc", "id"),)
    assert static["outputs"].inputs == (("module.app", "id"),)
    assert static["module.vpc"].inputs == ()


@pytest.mark.parametrize(
    ("path", "before", "after", "expected"),
    [
        ("main.tf", "cidr   = var.cidr", "cidr   = var.cidr # a comment", {}),
        ("main.tf", "  vpc    = module.vpc.id", "\n\n      vpc = module.vpc.id", {}),
        ("main.tf", 'bucket = "one"', 'bucket = "two"', {}),
        ("modules/vpc/main.tf", "cidr_block = var.cidr", "cidr_block=var.cidr  // note", {}),
        ("main.tf", "cidr   = var.cidr", 'cidr   = "${var.cidr}"', {"module.vpc": ["code: main.tf"]}),
        ("more.tf", '"${var.env}-x"', '"${var.env}-y"', {"module.app": ["code: more.tf"]}),
        ("more.tf", '"eu-central-1"', '"eu-west-1"', {"module.vpc": ["provider: aws"]}),
        ("more.tf", 'input = "lone"', 'input = "two"', {"root.terraform_data.lone": ["code: more.tf"]}),
        ("more.tf", "value = module.app.id", "value = upper(module.app.id)", {"outputs": ["code: more.tf"]}),
        ("modules/app/db/main.tf", "{}", "{\n  input = 1\n}", {"module.app": ["code: modules/app/db/main.tf"]}),
    ],
)
def test_an_edit_moves_the_units_that_it_is_about(
    path: str, before: str, after: str, expected: dict[str, list[str]]
) -> None:
    assert moved(of(), of(edited(path, before, after))) == expected


def test_values_of_variables_move_who_reads_them() -> None:
    one, two = of(variables={"env": "h1", "cidr": "h"}), of(variables={"env": "h2", "cidr": "h"})
    assert moved(one, two) == {"module.app": ["variable: env"], "outputs": ["variable: env"]}


def test_what_counts_for_all_moves_all() -> None:
    assert {tuple(found) for found in moved(of(), of(version="terraform 1.12.0")).values()} == {
        ("version: terraform 1.11.4 → terraform 1.12.0",)
    }
    assert {tuple(found) for found in moved(of(), of(environment="other")).values()} == {("environment",)}
    packages = {"registry.terraform.io/hashicorp/aws": "h1:other"}
    assert moved(of(), of(packages=packages)) == {"module.vpc": ["package: registry.terraform.io/hashicorp/aws"]}


def test_a_provider_without_a_package_hash_is_never_taken_for_unchanged() -> None:
    assert of(packages={})["module.vpc"].impure == ("no package hash of registry.terraform.io/hashicorp/aws",)


def test_every_file_of_a_module_counts() -> None:
    more = {**FILES, "modules/app/db/x.sh": "echo"}
    assert moved(of(), of(more)) == {"module.app": ["code: modules/app/db/x.sh"]}
    with pytest.raises(ValueError, match="modules/app are not given"):
        all_parts(graph_of(FILES, CALLS), context_of(FILES, {"vpc": "modules/vpc"}))


def test_large_trees_are_told_apart_by_folder() -> None:
    more = {**FILES, **{f"modules/vpc/examples/{i}/x": "" for i in range(100)}}
    names = of(more)["module.vpc"].of
    assert "code:modules/vpc/examples/" in names
    assert "code:modules/vpc/main.tf" in names
    assert moved(of(more), of({**more, "modules/vpc/examples/7/x": "1"})) == {
        "module.vpc": ["code: modules/vpc/examples/"]
    }


def test_a_module_that_reads_its_own_files_counts_byte_by_byte() -> None:
    files = {
        **FILES,
        "modules/vpc/main.tf": FILES["modules/vpc/main.tf"] + 'locals {\n  z = filemd5("${path.module}/main.tf")\n}\n',
    }
    again = {**files, "modules/vpc/main.tf": files["modules/vpc/main.tf"] + "# a comment\n"}
    assert moved(of(files), of(again)) == {"module.vpc": ["code: modules/vpc/main.tf"]}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('file("a/b.txt")', "file:a/b.txt"),
        ('file("${path.module}/a/b.txt")', "file:a/b.txt"),
        ('templatefile("${path.module}/a/b.txt", { x = 1 })', "file:a/b.txt"),
        ('"a"', "file:a"),
        ('"./a/"', "file:a"),
        ('fileset("a", "*")', "file:a"),
        ('fileexists("none")', "file:none"),
        ("file(var.env)", "file:."),
        ('file("${var.env}/b.txt")', "file:."),
        ('file("${path.module}/${var.env}")', "file:."),
        ('file("../other/x")', "file:."),
        ('file("x/../a/b.txt")', "file:a/b.txt"),
        ("fileset(path.module, var.env)", "file:."),
        ("path.root", "file:."),
        ("path.cwd", "file:."),
        ('abspath("b")', "file:."),
    ],
)
def test_files_of_the_root_that_a_unit_reads_are_parts_of_it(value: str, name: str) -> None:
    files = {
        **FILES,
        "a/b.txt": "1",
        "more.tf": FILES["more.tf"].replace('"lone"\n}', f"[{value}]\n}}"),
    }
    before = of(files)
    assert name in before["root.terraform_data.lone"].of
    changed = moved(before, of({**files, "a/b.txt": "2", "none": "3"}))
    assert changed == {"root.terraform_data.lone": [f"file: {name.removeprefix('file:')}"]}


def test_the_whole_root_as_a_directory_is_read_when_nothing_else_stands_there() -> None:
    whole = {**FILES, "more.tf": FILES["more.tf"].replace('"lone"\n}', '"."\n}')}
    assert "file:." in of(whole)["root.terraform_data.lone"].of


@pytest.mark.parametrize(
    "value", ["basename(path.cwd)", 'join(".", ["x"])', '"nothing"', "basename(abspath(path.root))"]
)
def test_names_and_texts_read_no_file(value: str) -> None:
    files = {**FILES, "a/b.txt": "1", "more.tf": FILES["more.tf"].replace('"lone"\n}', f"{value}\n}}")}
    assert not any(name.startswith("file:") for name in of(files)["root.terraform_data.lone"].of)


def test_settled_moved_blocks_and_package_requirements_move_nothing() -> None:
    more = {**FILES, "moved.tf": "moved {\n  from = terraform_data.old\n  to   = terraform_data.lone\n}\n"}
    assert moved(of(), of(more)) == {}
    other = edited(
        "main.tf", 'aws = { source = "hashicorp/aws" }', 'aws = { source = "hashicorp/aws", version = ">= 1" }'
    )
    assert moved(of(), of(other)) == {}


def test_a_data_source_with_depends_on_waits_for_all_that_it_reaches() -> None:
    files = {
        "main.tf": """
module "a" {
  source = "./m"
}
module "b" {
  source     = "./m"
  depends_on = [module.a]
}
module "c" {
  source     = "./d"
  depends_on = [module.b]
}
module "d" {
  source     = "./m"
  depends_on = [module.b]
}
""",
        "m/main.tf": 'resource "terraform_data" "x" {}\n',
        "d/main.tf": 'data "aws_ami" "x" {}\n',
    }
    static = of(files, {"a": "m", "b": "m", "c": "d", "d": "m"})
    assert static["module.c"].applies == ("module.a", "module.b")
    assert static["module.c"].data == ("data.aws_ami.x",)
    assert static["module.d"].applies == ()


def test_parts_of_unequal_schema_are_not_compared() -> None:
    found = differences({"schema": "0", "code:a": "1"}, {"schema": "1", "code:b": "1"})
    assert [str(reason) for reason in found] == ["schema: 0 → 1"]


def test_the_most_important_part_comes_first() -> None:
    names = ("applied:a", "file:a", "environment", "package:a", "provider:a", "input:a", "variable:a", "code:b", "code:a",
             "version")  # fmt: skip
    found = differences(dict.fromkeys(names, "1"), dict.fromkeys(names, "2"))
    assert [str(reason).partition(" ")[0] for reason in found] == [
        "version:", "code:", "code:", "variable:", "input:", "provider:", "package:", "environment", "file:", "applied:",
    ]  # fmt: skip
    assert str(found[1]) == "code: a"


def test_inputs_are_parts_of_the_fingerprint_and_a_missing_one_is_equal_to_nothing() -> None:
    static = Parts({"schema": "1"}, inputs=(("module.a", "id"), ("t.x", None)), applies=("module.a",))
    whole = fingerprint(static, {("module.a", None): "h", ("t.x", None): "i"}, {"module.a": "then"})
    assert whole == {"schema": "1", "input:module.a.id": "h", "input:t.x": "i", "applied:module.a": "then"}
    missing = fingerprint(static, {}, {})
    assert [str(reason) for reason in differences(missing, missing)] == [
        "input: module.a.id", "input: t.x", "applied: module.a",
    ]  # fmt: skip
    assert value_at({}, ("module.a", "id")) == MISSING


def test_one_unit_is_like_all() -> None:
    graph, context = graph_of(FILES, CALLS), context_of(FILES, CALLS)
    assert {unit: parts(graph, unit, context) for unit in graph.units} == all_parts(graph, context)


def test_five_hundred_modules_take_little_time() -> None:
    calls = {f"m{i}": "m" for i in range(500)}
    files = {
        "main.tf": "".join(f'module "m{i}" {{\n  source = "./m"\n  x = {i}\n}}\n' for i in range(500)),
        "m/main.tf": 'variable "x" {}\nresource "terraform_data" "x" {\n  input = var.x\n}\n',
    }
    graph, context = graph_of(files, calls), context_of(files, calls)
    start = time.process_time()
    found = all_parts(graph, context)
    assert len(found) == 501
    assert time.process_time() - start < 1.5


@pytest.mark.parametrize(
    ("value", "leaves"),
    [
        ('file("../x")', True),
        ('"../x"', True),
        ('"${path.module}/../x"', True),
        ('"${var.env}/../x"', True),
        ('"a/../b"', False),
        ("path.root", False),
        ("file(var.env)", False),
    ],
)
def test_what_lies_beside_the_root_must_be_part_of_the_source(value: str, leaves: bool) -> None:
    files = {**FILES, "more.tf": FILES["more.tf"].replace('"lone"\n}', f"{value}\n}}")}
    expected = ("files beside the root",) if leaves else ()
    assert of(files)["root.terraform_data.lone"].impure == expected
    assert of(files, beside=True)["root.terraform_data.lone"].impure == ()


def test_a_module_may_read_files_of_the_root_above_it() -> None:
    code = FILES["modules/vpc/main.tf"] + 'locals {\n  z = file("${path.module}/../../a/b.txt")\n}\n'
    files = {**FILES, "a/b.txt": "1", "modules/vpc/main.tf": code}
    assert of(files)["module.vpc"].impure == ()
    assert moved(of(files), of({**files, "a/b.txt": "2"})) == {"module.vpc": ["file: a/b.txt"]}
    assert moved(of(files), of({**files, "c": "2"})) == {}
