"""Units, edges, exports and what a batch keeps."""

import time

import pytest

from engine.graph_cases import LEAF, TWO_WAYS
from engine.written import written
from oracle.roots import calls_of, root
from stackly_engine.graph import Graph, build, top


def graph_of(text: str, **calls: str) -> Graph:
    files = {"main.tf": text, "leaf/main.tf": LEAF, "two/main.tf": TWO_WAYS, "secret/main.tf": SECRET}
    configuration = written(files, **calls)
    assert not configuration.whole
    return build(configuration)


def units(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {name: unit.members for name, unit in graph.units.items()}


def leaf(name: str, value: str, folder: str = "leaf", variable: str = "in") -> str:
    return f'module "{name}" {{\n  source = "./{folder}"\n  {variable} = {value}\n}}\n'


def thing(name: str, *values: str) -> str:
    return f'resource "terraform_data" "{name}" {{\n  input = [{", ".join(values)}]\n}}\n'


SECRET = LEAF + 'output "passing" {\n  ephemeral = true\n  value = 1\n}\n'
ALWAYS = 'terraform {\n}\nvariable "free" {\n  default = 1\n}\n'


def test_each_module_is_a_unit_and_connected_resources_are_one() -> None:
    graph = graph_of(
        leaf("a", "terraform_data.first.id")
        + thing("first")
        + thing("second", "terraform_data.first.id")
        + thing("below", "module.a.out")
        + thing("beside", "terraform_data.below.id")
        + thing("alone")
        + 'output "o" {\n  value = module.a.out\n}\n',
        a="leaf",
    )
    assert units(graph) == {
        "module.a": ("module.a",),
        "outputs": (),
        "root.terraform_data.alone": ("terraform_data.alone",),
        "root.terraform_data.below": ("terraform_data.below", "terraform_data.beside"),
        "root.terraform_data.first": ("terraform_data.first", "terraform_data.second"),
    }
    assert graph.upstream["module.a"] == {"root.terraform_data.first"}
    assert graph.upstream["outputs"] == {"module.a"}
    assert graph.order() == (
        "root.terraform_data.alone",
        "root.terraform_data.first",
        "module.a",
        "outputs",
        "root.terraform_data.below",
    )
    assert graph.levels()["root.terraform_data.below"] == 2
    assert graph.descendants("root.terraform_data.first") == {"module.a", "outputs", "root.terraform_data.below"}
    assert graph.ancestors("outputs") == {"module.a", "root.terraform_data.first"}


def test_resources_that_differ_in_modules_above_them_are_parted() -> None:
    """One that needs a module must not hold one that the module needs."""
    graph = graph_of(
        thing("first")
        + leaf("a", "terraform_data.first.id")
        + thing("last", "terraform_data.first.id", "module.a.out"),
        a="leaf",
    )
    assert graph.owner["terraform_data.first"] != graph.owner["terraform_data.last"]


def test_a_circle_of_modules_is_one_unit_with_all_on_its_way() -> None:
    graph = graph_of(
        'module "a" {\n  source = "./two"\n  left = 1\n  right = local.back\n}\n'
        'module "b" {\n  source = "./two"\n  left = terraform_data.way.id\n  right = 2\n}\n'
        "locals {\n  back = module.b.right\n}\n" + thing("way", "module.a.left") + leaf("c", "module.b.left"),
        a="two", b="two", c="leaf",
    )  # fmt: skip
    assert units(graph)["module.a"] == ("module.a", "module.b", "terraform_data.way")
    assert graph.upstream["module.c"] == {"module.a"}


def test_a_replacement_trigger_joins_across_groups_and_what_is_between() -> None:
    graph = graph_of(
        thing("first")
        + leaf("a", "terraform_data.first.id")
        + 'resource "terraform_data" "last" {\n  input = module.a.out\n'
        "  lifecycle {\n    replace_triggered_by = [terraform_data.first]\n  }\n}\n",
        a="leaf",
    )
    assert units(graph)["module.a"] == ("module.a", "terraform_data.first", "terraform_data.last")


@pytest.mark.parametrize("read", ["module.a.passing", "module.a", "local.l"])
def test_ephemeral_values_are_not_handed_over(read: str) -> None:
    """▲ They would silently arrive as null."""
    graph = graph_of(
        leaf("a", "1", "secret") + "locals {\n  l = module.a.passing\n}\n" + leaf("b", read) + leaf("c", "module.a.out")
        + 'resource "terraform_data" "waits" {\n  depends_on = [module.a]\n}\n',
        a="secret", b="leaf", c="leaf",
    )  # fmt: skip
    assert units(graph)["module.a"] == ("module.a", "module.b")
    assert graph.upstream["module.c"] == {"module.a"}


def test_ephemeral_resources_stay_with_their_readers_also_through_providers() -> None:
    graph = graph_of(
        'ephemeral "cloud_token" "t" {\n}\nprovider "cloud" {\n  token = local.t\n}\n'
        "locals {\n  t = ephemeral.cloud_token.t.value\n}\n"
        'provider "other" {\n  token = local.t\n}\nresource "other_thing" "x" {\n}\nresource "other_thing" "y" {\n}\n'
        + thing("alone")
    )
    assert units(graph)["root.ephemeral.cloud_token.t"] == ("ephemeral.cloud_token.t", "other_thing.x", "other_thing.y")


def test_one_impure_expression_is_evaluated_once() -> None:
    graph = graph_of(
        'locals {\n  id = uuid()\n  name = "n-${local.id}"\n  mine = timestamp()\n  uuid = "uuid"\n}\n'
        + leaf("a", "local.name") + leaf("b", "local.id") + leaf("c", "local.mine") + leaf("d", "local.uuid")
        + leaf("e", "local.uuid"),
        a="leaf", b="leaf", c="leaf", d="leaf", e="leaf",
    )  # fmt: skip
    assert units(graph)["module.a"] == ("module.a", "module.b")
    assert {"module.c", "module.d", "module.e"} <= graph.units.keys()


def test_an_impure_value_of_a_provider_block_joins_nobody() -> None:
    """The block is evaluated anew by every command, in the whole root too."""
    graph = graph_of(
        'locals {\n  now = timestamp()\n}\nprovider "cloud" {\n  session = "${local.now}${uuid()}"\n}\n'
        'resource "cloud_thing" "x" {\n}\nresource "cloud_thing" "y" {\n}\n'
    )
    assert graph.units.keys() == {"outputs", "root.cloud_thing.x", "root.cloud_thing.y"}


def test_an_impure_value_that_an_output_shows_keeps_its_readers_with_the_outputs() -> None:
    graph = graph_of(
        "locals {\n  id = uuid()\n}\n" + leaf("a", "local.id") + 'output "o" {\n  value = local.id\n}\n', a="leaf"
    )
    assert units(graph) == {"outputs": ("module.a",)}
    assert graph.owner_of("module.a.terraform_data.r") == "outputs"


def test_exports_are_what_others_read_attribute_by_attribute() -> None:
    graph = graph_of(
        leaf("a", "1") + leaf("b", "1") + leaf("c", "1") + leaf("d", "1", "two", "left")
        + 'module "many" {\n  source = "./leaf"\n  count = 2\n  in = 1\n}\n'
        + "locals {\n  through = module.b.out\n  unread = module.c.out\n}\n"
        + thing("x", "module.a.out", "local.through", "module.many[0].out", "module.d")
        + thing("y", "terraform_data.x.id")
        + 'resource "terraform_data" "waits" {\n  depends_on = [module.c]\n}\n'
        + 'output "o" {\n  value = "${terraform_data.x.output}${terraform_data.y.id}"\n}\n',
        a="leaf", b="leaf", c="leaf", d="two", many="leaf",
    )  # fmt: skip
    assert graph.exports == {
        "module.a": {"out"},
        "module.b": {"out"},
        "module.d": {None},
        "module.many": {"out"},
        "terraform_data.x": {"output"},
        "terraform_data.y": {"id"},
    }
    assert graph.upstream["root.terraform_data.waits"] == {"module.c"}


def test_a_batch_keeps_what_it_reaches_and_reads_the_rest() -> None:
    graph = graph_of(
        ALWAYS + 'provider "cloud" {\n  region = local.region\n}\nprovider "cloud" {\n  alias = "west"\n}\n'
        "locals {\n  region = module.a.out\n  other = module.b.out\n}\n"
        'variable "v" {\n  default = 1\n  validation {\n    condition = var.v != module.b.out\n    error_message = "no"\n  }\n}\n'
        'resource "cloud_thing" "x" {\n  size = var.v\n  depends_on = [module.c, module.a]\n}\n'
        'check "c" {\n  assert {\n    condition = cloud_thing.x.id != 1\n    error_message = "no"\n  }\n}\n'
        + leaf("a", "1") + leaf("b", "1") + leaf("c", "1"),
        a="leaf", b="leaf", c="leaf",
    )  # fmt: skip
    needs = graph.needs(["root.cloud_thing.x"])
    assert needs.kept == {"cloud_thing.x", "provider.cloud", "local.region", "var.v", "terraform#main.tf#0"}
    assert needs.external == {"module.a", "module.b"}
    assert needs.awaited == {"module.a", "module.c"}
    both = graph.needs(["root.cloud_thing.x", "module.b"])
    assert both.kept - needs.kept == {"module.b"}
    assert both.external == {"module.a"}
    closing = graph.needs(["outputs"])
    assert closing.kept == {"check.c", "var.v", "var.free", "terraform#main.tf#0"}
    assert closing.external == {"module.b", "cloud_thing.x"}


def test_passed_providers_stay_where_the_call_stays() -> None:
    graph = graph_of(
        'provider "cloud" {\n  alias = "west"\n}\nprovider "cloud" {\n}\n'
        'module "a" {\n  source = "./leaf"\n  in = 1\n  providers = {\n    cloud.far = cloud.west\n  }\n}\n',
        a="leaf",
    )
    assert graph.needs(["module.a"]).kept == {"module.a", "provider.cloud.west"}


def test_import_moved_and_removed_blocks_go_with_their_owner() -> None:
    graph = graph_of(
        leaf("a", "1") + leaf("b", "1") + thing("x")
        + 'import {\n  to = module.a.terraform_data.r["k"]\n  id = module.b.out\n}\n'
        "moved {\n  from = terraform_data.old\n  to = terraform_data.older\n}\n"
        "moved {\n  from = terraform_data.older\n  to = terraform_data.x[0]\n}\n"
        "moved {\n  from = module.gone\n  to = module.gone_too\n}\n"
        "removed {\n  from = module.b.terraform_data.r\n  lifecycle {\n    destroy = false\n  }\n}\n",
        a="leaf", b="leaf",
    )  # fmt: skip
    assert graph.upstream["module.a"] == {"module.b"}
    assert graph.exports == {"module.b": {"out"}}
    kinds = {name: sorted(kept.split("#")[0] for kept in graph.needs([name]).kept) for name in graph.units}
    assert kinds == {
        "module.a": ["import", "module.a"],
        "module.b": ["module.b", "removed"],
        "outputs": [],
        "root.terraform_data.x": ["moved", "moved", "terraform_data.x"],
    }


def test_data_inside_a_check_belongs_to_the_outputs() -> None:
    graph = graph_of(
        'check "c" {\n  data "terraform_remote_state" "s" {\n    backend = "local"\n    config = { path = module.a.out }\n'
        '  }\n  assert {\n    condition = data.terraform_remote_state.s.outputs != 1\n    error_message = "no"\n  }\n}\n'
        + leaf("a", "1")
        + thing("last"),
        a="leaf",
    )
    assert graph.owner_of("data.terraform_remote_state.s") == "outputs"
    assert graph.upstream["outputs"] == {"module.a", "root.terraform_data.last"}, "it is read when all is applied"
    assert graph.exports == {"module.a": {"out"}}
    assert "data.terraform_remote_state.s" not in graph.direct


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ('module.a["x.y[0]"].aws_y.z', "module.a"),
        ("module.a[0].module.b.data.t.n", "module.a"),
        ("data.t.n[0]", "data.t.n"),
        ('t.n["k"]', "t.n"),
        ("resource.t.n", "t.n"),
        ("ephemeral.t.n", "ephemeral.t.n"),
        ("aws_vpc.größe-1", "aws_vpc.größe-1"),
    ],
)
def test_top_is_the_first_real_part(address: str, expected: str) -> None:
    assert top(address) == expected


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="no address"):
        top("nothing")


@pytest.mark.parametrize("seed", range(300, 340))
def test_units_of_random_roots_are_a_partition_without_circles(seed: int) -> None:
    files = root(seed)
    configuration = written(files, **calls_of(files))
    assert not configuration.whole
    graph = build(configuration)
    members = [member for unit in graph.units.values() for member in unit.members]
    assert sorted(members) == sorted(graph.direct)
    assert len(graph.order()) == len(graph.units)
    for name, unit in graph.units.items():
        needs = graph.needs([name])
        assert set(unit.members) <= needs.kept
        assert {graph.owner[address] for address in needs.external | needs.awaited} <= graph.upstream[name]
        assert all(address in graph.exports for address in needs.external)
        assert graph.between([name]) == {name}
    everything = graph.needs(graph.units)
    assert not everything.external | everything.awaited
    assert graph.units.keys() == build(configuration).units.keys()


def test_thousands_of_modules_take_seconds_and_no_recursion() -> None:
    count = 5000
    text = "".join(
        f'module "m{n}" {{\n  source = "./leaf"\n  in = [local.l{n}, local.all]\n}}\n'
        f"locals {{\n  l{n} = {f'[module.m{n - 1}.out, module.m{n // 2}.out]' if n else '1'}\n}}\n"
        for n in range(count)
    )
    configuration = written({"main.tf": text + "locals {\n  all = 1\n}\n", "leaf/main.tf": LEAF},
                            **{f"m{n}": "leaf" for n in range(count)})  # fmt: skip
    start = time.process_time()
    graph = build(configuration)
    assert len(graph.order()) == count + 1
    assert time.process_time() - start < 10
    assert len(graph.ancestors(f"module.m{count - 1}")) == count - 1
