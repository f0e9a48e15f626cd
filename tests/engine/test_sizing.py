"""How large units are, and what in a state makes them run."""

from typing import Any

from stackly_engine.reasons import Reason
from stackly_engine.sizing import sizes_of, troubles
from written_roots import graph_of

FILES = {
    "main.tf": 'module "a" {\n  source = "./m"\n}\nresource "terraform_data" "x" {}\ndata "terraform_remote_state" "y" {}\n',
    "m/main.tf": 'resource "terraform_data" "one" {}\nmodule "b" {\n  source = "./n"\n}\n',
    "m/n/main.tf": 'resource "terraform_data" "two" {}\ndata "terraform_remote_state" "three" {}\n',
}


def test_sizes_are_those_of_the_code_or_of_the_state() -> None:
    graph = graph_of(FILES, {"a": "m", "a.b": "m/n"})
    assert sizes_of(graph) == {
        "module.a": 3,
        "outputs": 0,
        "root.data.terraform_remote_state.y": 1,
        "root.terraform_data.x": 1,
    }
    slices: dict[str, list[dict[str, Any]]] = {
        "module.a": [{"instances": [{}] * 9}],
        "terraform_data.x": [{"instances": []}],
    }
    sizes = sizes_of(graph, slices)
    assert (sizes["module.a"], sizes["root.terraform_data.x"]) == (9, 1)


def test_tainted_and_deposed_objects_are_reasons() -> None:
    fine = {"module": "module.a", "mode": "managed", "type": "t", "name": "fine", "instances": [{"attributes": {}}]}
    bad = {"type": "t", "name": "bad", "instances": [{"status": "tainted"}, {"deposed": "0a1b2c3d"}]}
    assert troubles([fine]) == ()
    assert troubles([fine, {**bad, "module": "module.a"}]) == (
        Reason("state", "module.a.t.bad has a deposed object"),
        Reason("state", "module.a.t.bad is tainted"),
    )
    assert troubles([bad])[1] == Reason("state", "t.bad is tainted")
