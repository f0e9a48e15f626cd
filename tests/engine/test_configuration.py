"""The tree of modules below a root, and why a root must run whole because of it."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_engine.configuration import Call, Configuration, calls, configure
from stackly_engine.exact import FormatError
from stackly_engine.source import Kind, Product
from terraform_cli import Terraform

_CALL = 'module "app" {\n  source = "./app"\n}\n'


def tree(files: dict[str, str], product: Product = Product.TERRAFORM, name: str = "main.tf") -> Configuration:
    entries = [{"Key": key, "Source": "./x", "Dir": key or "."} for key in files]
    by_directory = {key or ".": {name if key else "main.tf": text.encode()} for key, text in files.items()}
    return configure(by_directory, json.dumps({"Modules": entries}).encode(), product)


def test_calls_as_terraform_writes_them(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path)
    terraform.write(
        {
            "main.tf": _CALL,
            "app/main.tf": 'module "db" {\n  source = "../db"\n}\n',
            "db/main.tf": 'output "o" {\n  value = 1\n}\n',
        }
    )
    terraform.run("init")
    written = (tmp_path / ".terraform/modules/modules.json").read_bytes()
    assert calls(written) == (
        Call("", "", "", "."),
        Call("app", "./app", "", "app"),
        Call("app.db", "../db", "", "db"),
    )
    files = {name: {"main.tf": (tmp_path / name / "main.tf").read_bytes()} for name in (".", "app", "db")}
    found = configure(files, written, Product.TERRAFORM)
    assert found.whole == ()
    assert sorted(found.modules) == sorted(found.calls) == ["", "app", "app.db"]
    assert list(found.modules["app.db"].nodes) == ["output.o"]


@pytest.mark.parametrize(
    "data", [b"{}", b"[]", b'{"Modules": 1}', b'{"Modules": [{"Key": ""}]}', b"x", b'{"Modules": ["x"]}']
)
def test_no_list_of_modules(data: bytes) -> None:
    with pytest.raises(FormatError):
        calls(data)


def test_equal_directories_are_read_once() -> None:
    two = _CALL + _CALL.replace("app", "two")
    found = tree({"": two, "app": "locals {\n  x = 1\n}\n", "two": "locals {\n  x = 1\n}\n"})
    assert found.modules["app"] is found.modules["two"]


def test_entries_of_calls_that_are_gone_are_left_out() -> None:
    found = tree({"": _CALL, "app": "", "old": 'provider "aws" {}', "old.deep": "x = 1"})
    assert (sorted(found.modules), found.whole) == (["", "app"], ())


@pytest.mark.parametrize(
    ("files", "code", "detail", "file", "line"),
    [
        ({"": _CALL}, "invalid", "module.app is not installed", "main.tf", 1),
        ({"": _CALL, "app": "\n}"}, "syntax", "in module app: ", "app/main.tf", 2),
        ({"": _CALL, "app": 'action "a" "b" {}'}, "unsupported-block", "action", "app/main.tf", 1),
        ({"": _CALL + "locals {\n  x = module.app.o\n}", "app": ""}, "invalid", "no output o", "main.tf", 5),
        ({"": _CALL + 'locals {\n  x = module.app["k"].o\n}', "app": ""}, "invalid", "no output o", "main.tf", 5),
        (
            {"": _CALL + 'locals {\n  x = module.app["k"].o\n}', "app": 'output "o" {}'},
            "invalid",
            "module.app has no count or for_each",
            "main.tf",
            5,
        ),
        ({"": "locals {\n  x = var.y\n}"}, "invalid", "var.y is not declared", "main.tf", 2),
        ({"": "locals {\n  x = module.y.z\n}"}, "invalid", "module.y is not declared", "main.tf", 2),
        ({"": "locals {\n  x = t.n.id\n}"}, "invalid", "t.n is not declared", "main.tf", 2),
        ({"": "locals {\n  x = data.t.n.id\n}"}, "invalid", "data.t.n is not declared", "main.tf", 2),
        ({"": "locals {\n  x = local.n\n}"}, "invalid", "local.n is not declared", "main.tf", 2),
        ({"": "locals {\n  x = word\n}"}, "invalid", "word is not declared", "main.tf", 2),
        ({"": _CALL, "app": 'output "o" {}\noutput "o" {}'}, "invalid", "output.o is declared twice", "app/main.tf", 2),
        ({"": 'resource "a_b" "c" {\n  provider = a.x\n}'}, "invalid", "a_b.c uses a provider", "main.tf", 1),
    ],
)
def test_why_a_root_runs_whole(files: dict[str, str], code: str, detail: str, file: str, line: int) -> None:
    (reason,) = tree(files).whole
    assert (reason.code, reason.file, reason.line) == (code, file, line)
    assert detail in reason.detail


def test_a_called_module_may_refer_to_nothing() -> None:
    """Terraform plans it as long as the reference stands in a dynamic block that yields no content."""
    assert tree({"": _CALL, "app": "locals {\n  x = var.y\n}"}).whole == ()


def test_whole_objects_of_modules_need_no_output() -> None:
    assert tree({"": _CALL + "locals {\n  x = [module.app, module.app[*].o]\n}", "app": ""}).whole == ()


def test_an_empty_provider_block_that_is_passed_stands_for_it() -> None:
    call = 'module "app" {\n  source = "./app"\n  providers = {\n    aws.x = aws\n  }\n}\nprovider "aws" {}\n'
    app = 'provider "aws" {\n  alias = "x"\n}\nresource "aws_a" "b" {\n  provider = aws.x\n}\n'
    found = tree({"": call, "app": app})
    assert found.whole == ()
    assert found.providers("app") == {"provider.aws"}


def test_what_a_module_configures_itself_is_not_asked_of_the_root() -> None:
    """Its own blocks serve it and what it calls; other aliases and what is passed come from outside."""
    root = 'provider "aws" {}\nprovider "dns" {}\nmodule "plain" {\n  source = "./plain"\n}\n' + _CALL
    app = 'provider "aws" {}\nresource "aws_a" "b" {}\nmodule "db" {\n  source = "./db"\n}\nresource "dns_a" "b" {}\n'
    uses = 'resource "aws_a" "b" {}'
    found = tree({"": root, "app": app, "app.db": uses, "plain": uses})
    assert found.whole == ()
    assert found.providers("app") == {"provider.dns"}
    assert found.providers("app.db") == frozenset()
    assert found.providers("plain") == {"provider.aws"}
    assert [found.configures(key) for key in ("app", "app.db", "plain")] == [True, False, False]


def test_json_is_fine_below_the_root_only() -> None:
    files = {
        ".": {"main.tf": _CALL.encode()},
        "app": {"main.tf.json": b'{"output": {"o": {"value": 1, "ephemeral": true}}}'},
    }
    entries = json.dumps({"Modules": [{"Key": "app", "Source": "./app", "Dir": "app"}]}).encode()
    found = configure(files, entries, Product.TERRAFORM)
    assert found.whole == ()
    assert found.ephemeral_outputs("app") == {"o"}
    files["."]["more.tf.json"] = b"{}"
    assert [reason.code for reason in configure(files, entries, Product.TERRAFORM).whole] == ["json-files"]


def test_outputs_that_last_no_longer_than_a_run() -> None:
    texts = ("ephemeral = true", "ephemeral = false", "", "ephemeral = var.x")
    outputs = "".join(f'output "o{n}" {{\n  value = 1\n  {text}\n}}\n' for n, text in enumerate(texts))
    found = tree({"": _CALL, "app": outputs + 'variable "x" {}'})
    assert found.ephemeral_outputs("app") == {"o0", "o3"}
    assert found.ephemeral_outputs("nowhere") == frozenset()


_S3 = 'terraform {\n  backend "s3" {\n    bucket = "b"\n    key    = "k"\n  }\n}\n'
_OWN = [
    (_S3, "s3", '{ bucket = "b", key = "k" }', True),
    (_S3, "s3", '{ bucket = "b", key = "other" }', False),
    (_S3, "s3", '{ bucket = "other", key = "k" }', False),
    (_S3, "s3", '{ bucket = var.x, key = "k" }', True),
    (_S3, "s3", "{ bucket = var.x, key = var.x }", False),
    (_S3, "s3", '{ bucket = "b", key = "${var.x}" }', True),
    (_S3, "s3", '{ bucket = "b", key = "${var.x}k" }', True),
    (_S3, "s3", '{ bucket = "b", key = "%{ if var.x }k%{ endif }" }', True),
    (_S3, "s3", '{ bucket = "b", key = "env/${var.x}/k" }', False),
    (_S3, "s3", '{ bucket = "${lower("${var.x}")}b", key = "k" }', True),
    (_S3, "s3", '{ bucket = "${join("-", [for x in ["a"] : "{"])}-c", key = "k" }', False),
    (_S3, "gcs", '{ bucket = "b", key = "k" }', False),
    ('terraform {\n  backend "s3" {}\n}\n', "s3", '{ bucket = "b", key = "k" }', False),
    ("", "local", '{ path = "${path.module}/terraform.tfstate" }', True),
    ("", "local", "{}", True),
    ("", "local", '{ path = "${path.module}/../x/terraform.tfstate" }', False),
    ("", "local", '{ path = "../terraform.tfstate" }', False),
]


@pytest.mark.parametrize(("backend", "kind", "config", "own"), _OWN)
def test_roots_that_read_their_own_state(backend: str, kind: str, config: str, own: bool) -> None:
    text = f'data "terraform_remote_state" "s" {{\n  backend = "{kind}"\n  config  = {config}\n}}\nvariable "x" {{}}\n'
    assert [reason.code for reason in tree({"": backend + text}).whole] == ["own-remote-state"] * own


_LINES = st.sampled_from([
    "aws = aws.x", "a = {}", "a = { source = var.x }", 'aws = { source = "b/aws" }', "x = 1",
    'provider = ""', 'alias = "x"', 'source = "a/b/c/d/e"', "providers = aws", "providers = { (a) = b }",
    "config = 1", 'backend = ""',
])  # fmt: skip
_OPENINGS = st.sampled_from([
    'provider "aws" {', 'resource "aws_a" "b" {', 'module "app" {', "terraform {\nrequired_providers {\n}\n", "check x {",
    'data "terraform_remote_state" "x" {', "terraform {", 'backend "s3" {', "required_providers {",
])  # fmt: skip
_BLOCKS = st.builds(lambda opening, lines: "\n".join([opening, *lines, "}\n"]), _OPENINGS, st.lists(_LINES, max_size=3))


@given(st.lists(_BLOCKS, max_size=4), st.lists(_BLOCKS, max_size=3))
def test_any_tree_has_an_answer(root: list[str], app: list[str]) -> None:
    found = tree({"": "".join(root) + _CALL, "app": "".join(app)})
    configured = {address for address, node in found.root.nodes.items() if node.kind is Kind.PROVIDER}
    passed = found.passed("module.app") if "module.app" in found.root.nodes else frozenset()
    assert found.providers("") | found.providers("app") | passed <= configured


def test_the_time_for_many_modules_grows_with_their_number() -> None:
    assert _seconds(1200) < 12 * _seconds(200) + 1


def _seconds(modules: int) -> float:
    files = {f"m{n}": f'# {n}\nvariable "v" {{}}\noutput "o" {{\n  value = var.v\n}}\n' for n in range(modules)}
    root = "".join(f'module "m{n}" {{\n  source = "./m"\n  v = module.m{max(0, n - 1)}.o\n}}\n' for n in range(modules))
    started = time.process_time()
    found = tree({"": root, **files})
    assert found.whole == ()
    assert len(found.modules) == modules + 1
    assert found.providers("m7") == frozenset()
    return time.process_time() - started


def test_data_inside_a_check_is_declared_there_only() -> None:
    check = (
        'check "c" {\n  data "t" "n" {}\n  assert {\n    condition     = data.t.n.x\n    error_message = "x"\n  }\n}\n'
    )
    assert tree({"": check}).whole == ()
    assert [each.detail for each in tree({"": check + "locals {\n  x = data.t.n\n}\n"}).whole] == [
        "data.t.n is not declared"
    ]
