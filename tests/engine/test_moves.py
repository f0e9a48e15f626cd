"""Moved, removed and import blocks, and what is gone from the code: the 17 cases of engine-facts §4, as documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine_roots import graph_of, resource, state
from stackly_engine.graph import Graph
from stackly_engine.moves import UnknownAddress, replaced, routes

RES = 'resource "terraform_data" "r" {\n}\noutput "o" {\n value = terraform_data.r.id\n}\n'


def call(name: str, *more: str) -> str:
    return f'module "{name}" {{\n source = "./{name}"\n' + "".join(f" {line}\n" for line in more) + "}\n"


def own(name: str, *more: str) -> str:
    return f'resource "terraform_data" "{name}" {{\n' + "".join(f" {line}\n" for line in more) + "}\n"


def moved(old: str, new: str) -> str:
    return f"moved {{\n from = {old}\n to   = {new}\n}}\n"


@dataclass(frozen=True)
class Case:
    """`moved` blocks are numbered from 0 in order of the text; the rest is what `routes` must say."""

    root: str
    state: tuple[Mapping[str, Any], ...]
    together: tuple[frozenset[str], ...] = ()
    slices: Mapping[str, str] = field(default_factory=dict)
    used: tuple[int, ...] = (0,)
    owners: Mapping[int, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()


T = "terraform_data"
A, B, C = "module.a", "module.b", "module.c"
CASES = {
    "inside a module": Case(call("a"), (resource(f"{A}.{T}.r"),), used=(), modules=("a",)),
    "a module is renamed": Case(call("b") + moved(A, B), (resource(f"{A}.{T}.r"),), (), {A: B}, owners={0: B}),
    "a module is renamed, its user stays": Case(
        call("b") + call("c", "v = module.b.o") + moved(A, B),
        (resource(f"{A}.{T}.r"), resource(f"{C}.{T}.r")),
        slices={A: B},
        owners={0: B},
    ),
    "a chain": Case(call("c") + moved(A, B) + moved(B, C), (resource(f"{A}.{T}.r"),), (), {A: C}, (0, 1), {0: C, 1: C}),
    "a chain whose end only has something to move": Case(
        call("c") + moved(A, B) + moved(B, C), (resource(f"{B}.{T}.r"),), (), {B: C}, (1,), {0: C, 1: C}
    ),
    "from the root into a module": Case(
        call("a") + moved(f"{T}.x", f"{A}.{T}.r"), (resource(f"{T}.x"),), (), {f"{T}.x": A}, owners={0: A}
    ),
    "from a module into the root": Case(
        call("a") + own("x") + moved(f"{A}.{T}.gone", f"{T}.x"),
        (resource(f"{A}.{T}.r"), resource(f"{A}.{T}.gone")),
        (frozenset({A, f"root.{T}.x"}),),
        owners={0: f"root.{T}.x"},
    ),
    "from one module into another": Case(
        call("a") + call("b") + moved(f"{A}.{T}.gone", f"{B}.{T}.r"),
        (resource(f"{A}.{T}.r"), resource(f"{A}.{T}.gone")),
        (frozenset({A, B}),),
        owners={0: B},
    ),
    "units on the path between": Case(
        call("a") + call("b", "v = module.a.o") + call("c", "v = module.b.o") + moved(f"{A}.{T}.gone", f"{C}.{T}.r"),
        (resource(f"{A}.{T}.gone"), resource(f"{B}.{T}.r")),
        (frozenset({A, B, C}),),
        owners={0: C},
    ),
    "one instance into a module": Case(
        call("a") + own("x", "count = 1") + moved(f"{T}.x[1]", f"{A}.{T}.r"),
        (resource(f"{T}.x", 0, 1),),
        (frozenset({A, f"root.{T}.x"}),),
        owners={0: A},
    ),
    "one instance that is not there": Case(
        call("a") + own("x", "count = 1") + moved(f"{T}.x[1]", f"{A}.{T}.r"),
        (resource(f"{T}.x", 0),),
        used=(),
        owners={0: A},
    ),
    "a module gets for_each": Case(
        call("a", 'for_each = toset(["k"])') + moved(A, f'{A}["k"]'), (resource(f"{A}.{T}.r"),), owners={0: A}
    ),
    "a module got for_each": Case(
        call("a", 'for_each = toset(["k"])') + moved(A, f'{A}["k"]'),
        (resource(f'{A}["k"].{T}.r'),),
        used=(),
        owners={0: A},
    ),
    "a resource is renamed": Case(
        own("y") + moved(f"{T}.x", f"{T}.y"),
        (resource(f"{T}.x", "a", "b"),),
        (),
        {f"{T}.x": f"root.{T}.y"},
        owners={0: f"root.{T}.y"},
    ),
    "a chain through an instance": Case(
        call("b", 'for_each = toset(["k"])')
        + call("c")
        + moved(A, f'{B}["k"]')
        + moved(f'{B}["k"].{T}.r', f"{C}.{T}.r"),
        (resource(f"{A}.{T}.r"),),
        (frozenset({B, C}),),
        {A: C},
        (0, 1),
        {0: B, 1: C},
    ),
    "settled": Case(call("b") + moved(A, B), (resource(f"{B}.{T}.r"),), used=(), owners={0: B}),
    "a swap": Case(
        call("a") + call("b") + moved(A, B) + moved(B, A),
        (resource(f"{A}.{T}.r"), resource(f"{B}.{T}.r")),
        (frozenset({A, B}),),
        used=(0, 1),
        owners={0: B, 1: A},
    ),
    "what is moved is still declared": Case(
        call("a") + call("b") + moved(A, B), (resource(f"{A}.{T}.r"),), (frozenset({A, B}),), owners={0: B}
    ),
    # beyond the 17
    "one vanished module into two": Case(
        call("b") + call("c") + moved(f"{A}.{T}.x", f"{B}.{T}.r") + moved(f"{A}.{T}.y", f"{C}.{T}.r"),
        (resource(f"{A}.{T}.x"), resource(f"{A}.{T}.y"), resource(f"{A}.{T}.rest")),
        (frozenset({B, C}),),
        {A: B},
        (0, 1),
        {0: B, 1: C},
    ),
    "to what is gone too": Case(
        call("c") + moved(A, B), (resource(f"{A}.{T}.r"),), (), {A: "removed"}, owners={0: "removed"}
    ),
    "instances of two modules into one": Case(
        call("c", 'for_each = toset(["a", "b"])') + moved(A, f'{C}["a"]') + moved(B, f'{C}["b"]'),
        (resource(f"{A}.{T}.r"), resource(f"{B}.{T}.r")),
        (),
        {A: C, B: C},
        (0, 1),
        {0: C, 1: C},
    ),
    "keys with dots, quotes and templates": Case(
        own("y") + moved(f'{T}.x["a.b[\\"$${{c}}\\"]"]', f"{T}.y"),
        (resource(f"{T}.x", 'a.b["${c}"]'),),
        (),
        {f"{T}.x": f"root.{T}.y"},
        owners={0: f"root.{T}.y"},
    ),
}


def graph(case: Case) -> Graph:
    names = [name for name in "abc" if f'module "{name}"' in case.root]
    code = f'variable "v" {{\n default = 0\n}}\n{RES.replace("{", "{ input = var.v", 1)}'
    return graph_of(case.root, **dict.fromkeys(names, code))


@pytest.mark.parametrize("name", CASES)
def test_each_case(name: str) -> None:
    case = CASES[name]
    made = graph(case)
    blocks = sorted(
        (address for address in made.configuration.root.nodes if address.startswith("moved#")),
        key=lambda address: int(address.rsplit("#", 1)[1]),
    )
    found = routes(made, state(*case.state))
    assert found.together == case.together
    assert found.slices == case.slices
    assert found.used == {blocks[number] for number in case.used}
    assert found.blocks == {blocks[number]: unit for number, unit in case.owners.items()}


def test_what_is_gone_is_removed_and_data_of_a_check_is_not_gone() -> None:
    check = 'check "c" {\n data "t" "inside" {\n }\n assert {\n  condition = true\n  error_message = "m"\n }\n}\n'
    made = graph_of(check + own("kept"))
    document = state(resource("data.t.inside"), resource(f"{T}.kept"), resource(f"{A}.{T}.r"), resource("data.t.gone"))
    assert routes(made, document).slices == {A: "removed", "data.t.gone": "removed"}


def test_removed_and_import_blocks_go_with_their_addresses() -> None:
    removed = "removed {{\n from = {}\n lifecycle {{\n  destroy = false\n }}\n}}\n"
    imported = 'import {{\n to = {}\n id = "i"\n}}\n'
    root = call("a") + removed.format(f"{A}.{T}.gone") + removed.format("module.z")
    root += imported.format(f"{A}.{T}.r") + imported.format(f'{T}.x["k"]') + own("x", 'for_each = toset(["k"])')
    made = graph_of(root + imported.format(f"{T}.nowhere"), a=RES)
    found = routes(made, state(resource(f"module.z.{T}.r")))
    owners = sorted((name.split("#")[0], unit) for name, unit in found.blocks.items())
    assert owners == [("import", A), ("import", f"root.{T}.x"), ("removed", A), ("removed", "removed")]
    assert [name.split("#")[0] for name in found.unowned] == ["import"]
    assert found.slices == {"module.z": "removed"}


def test_replace_goes_to_the_owner_of_an_instance_of_the_state() -> None:
    made = graph_of(call("a", 'for_each = toset(["k"])') + own("y", "count = 2") + moved(f"{T}.x", f"{T}.y"), a=RES)
    document = state(resource(f'{A}["k"].{T}.r'), resource(f"{T}.x", 0), resource(f"module.gone.{T}.r"),
                     resource(f'{A}["k"].data.t.d'))  # fmt: skip
    wanted = [f'{A}["k"].{T}.r', f"{T}.y[0]", f"{T}.y[ 0 ]"]
    assert replaced(made, document, wanted) == {A: (wanted[0],), f"root.{T}.y": (f"{T}.y[0]",)}
    for unknown in (f"{T}.y", f"{T}.y[1]", f"{T}.x[0]", f"{A}.{T}.r", f"module.gone.{T}.r", A, "", "no address",
                    f'{A}["k"].data.t.d', f'{A}["k"]', "a.b[", "module.a.[0]"):  # fmt: skip
        with pytest.raises(UnknownAddress):
            replaced(made, document, [unknown])
