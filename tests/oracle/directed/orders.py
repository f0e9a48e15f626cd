"""The order in which things are made and destroyed, and units gone from the code: engine.md §9, engine-facts §1 and §3."""

from oracle.cases import Case, Files, Step, case, root
from oracle.directed.written import THING, THING_FIRST, call, edited, thing

DELAY = "0.15"
# What happens to (a.x, b.y), where b.y refers to a.x: engine-facts §1.
KINDS = (
    ("replace", "replace"), ("replace", "update"), ("replace", "delete"), ("replace", "keep"), ("delete", "replace"),
    ("delete", "delete"), ("delete", "update"),
)  # fmt: skip
FIRSTS = ("none", "x", "y", "both")
_CYCLE = ("y", "replace", "delete")  # plain Terraform 1.11 finds a cycle in its own graph


def _pair(number: int, first: str, second: str, firsts: str, *, after: bool) -> str:
    """The modules a and b of one combination, before or after what happens.

    b refers to a by a value that stays: what happens to b does not come from what happens to a, and nothing is refused.
    """
    a_source = "first" if firsts in {"x", "both"} else "thing"
    b_source = "first" if firsts in {"y", "both"} else "thing"
    a, b = f"a{number}", f"b{number}"
    text, gone = "", after and first == "delete"
    if not gone:
        force = '"2"' if after and first == "replace" else '"1"'
        text += call(a, a_source, name=f'"{a}"', force=force, delay=DELAY)
    if not (after and second == "delete"):
        force = '"2"' if after and second == "replace" else '"1"'
        size = "2" if after and second == "update" else "1"
        size = size if gone else f'module.{a}.named == "" ? 0 : {size}'
        text += call(b, b_source, name=f'"{b}"', force=force, size=size, delay=DELAY)
    return text


def _combinations(firsts: str) -> Case:
    """All combinations for one placement of create_before_destroy, side by side in one root."""

    def files(*, after: bool) -> dict[str, str]:
        kinds = [kind for kind in KINDS if (firsts, *kind) != _CYCLE]
        made = (_pair(number, *kind, firsts, after=after) for number, kind in enumerate(kinds))
        return root("".join(made), thing=THING, first=THING_FIRST)

    steps = (Step(files(after=False), ordered=True), Step(files(after=True), ordered=True))
    return case(f"28 combinations, first: {firsts}", "engine-facts §1", *steps)


_CHAIN = root(
    call("a", "thing", force='"1"', name='"a"', delay=DELAY)
    + call("mid", "thing", name='"mid"', size="length(module.a.named)", delay=DELAY)
    + call("c", "first", name='"c"', force="module.a.id", size="length(module.mid.named)", delay=DELAY),
    thing=THING,
    first=THING_FIRST,
)
_DIAMOND = root(
    call("top", "thing", name='"top"', force='"1"', delay=DELAY)
    + call("left", "thing", name='"left"', force="module.top.id", refs="[module.top.id]", delay=DELAY)
    + call("right", "thing", name='"right"', force="module.top.id", refs="[module.top.id]", delay=DELAY)
    + call("end", "thing", name='"end"', refs="[module.left.id]", force="module.right.id", size="1", delay=DELAY)
    + call("end2", "first", name='"end2"', force="module.left.id", refs="[module.left.id]", delay=DELAY),
    thing=THING,
    first=THING_FIRST,
)
_THREE = root(
    call("a", "thing", name='"a"', delay=DELAY)
    + call("b", "thing", name='"b"', refs="[module.a.id]", delay=DELAY)
    + call("c", "thing", name='"c"', refs="[module.b.id]", delay=DELAY)
    + call("other", "thing", name='"other"', delay=DELAY),
    thing=THING,
)
_OTHER = call("other", "thing", name='"other"', delay=DELAY)


def _kept(files: dict[str, str], *names: str) -> dict[str, str]:
    """The root with these modules only."""
    blocks = [f"module {block}" for block in files["main.tf"].split("module ")[1:]]
    return {**files, "main.tf": "".join(block for block in blocks if block.split('"')[1] in names)}


_USED = root(
    call("a", "two", name='"a"', delay=DELAY) + call("z", "thing", name='"z"', refs="[module.a.other]", delay=DELAY),
    thing=THING,
    two=THING
    + 'resource "testcloud_thing" "o" {\n  name = "o"\n  delay = var.delay\n}\noutput "other" { value = testcloud_thing.o.id }\n',
)
_SHRUNK = {**_USED, "main.tf": call("a", "two", name='"a"', delay=DELAY), "two/main.tf": THING}
_FORMER = root(
    call("z", "thing", name='"z"', delay=DELAY)
    + call("k", "thing", name='"k"', size="length(module.z.named)", delay=DELAY),
    thing=THING,
)
_FORMER_LATER = root(call("k", "thing", name='"k"', size="2", delay=DELAY), thing=THING)
_FORMER_FIRST = {**_FORMER, "thing/main.tf": THING_FIRST}
_FORMER_FIRST_LATER = {**_FORMER_LATER, "thing/main.tf": THING_FIRST}
_ROOT = root(thing("a", 'force = "1"') + thing("b", "refs = [testcloud_thing.a.id]", "force = testcloud_thing.a.id")
             + call("m", "thing", name='"m"', refs="[testcloud_thing.b.id]", force="testcloud_thing.b.id"), thing=THING)  # fmt: skip


def _ordered(*files: Files) -> list[Step]:
    return [Step(one, ordered=True) for one in files]


def _again(files: dict[str, str]) -> dict[str, str]:
    """The first thing of the root is replaced."""
    return {**files, "main.tf": files["main.tf"].replace('force = "1"', 'force = "2"', 1)}


CASES: list[Case] = [
    *map(_combinations, FIRSTS),
    case("Terraform's own cycle", "engine-facts §1",
         *(Step(root(_pair(0, "replace", "delete", "y", after=after), thing=THING, first=THING_FIRST), fails=said)
           for after, said in ((False, ""), (True, "Cycle")))),
    case("the first and the last of three replaced", "§9 paths between", *_ordered(_CHAIN, _again(_CHAIN))),
    case("diamond replaced", "§9", *_ordered(_DIAMOND, _again(_DIAMOND))),
    case("a leaf goes", "engine-facts §3", *_ordered(_THREE, _kept(_THREE, "a", "b", "other"))),
    case("a chain goes", "engine-facts §3", *_ordered(_THREE, _kept(_THREE, "other"))),
    case("middle and leaf go", "engine-facts §3", *_ordered(_THREE, _kept(_THREE, "a", "other"))),
    case("everything goes", "engine-facts §3", *_ordered(_THREE, {"main.tf": "# empty\n"})),
    case("a kept unit shrinks, its user goes", "engine-facts §3", *_ordered(_USED, _SHRUNK)),
    case("a former user is updated", "engine-facts §3", Step(_FORMER, ordered=True), Step(_FORMER_LATER, ordered=True)),
    case("a former user of what is created before it is destroyed", "engine-facts §3",
         *_ordered(_FORMER_FIRST, _FORMER_FIRST_LATER)),
    case("resources of the root replaced", "§9", *_ordered(_ROOT, edited(_ROOT, 'force = "1"', 'force = "2"'))),
]  # fmt: skip
