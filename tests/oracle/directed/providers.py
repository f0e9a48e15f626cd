"""Provider configurations: which batch needs which block. engine.md §3, engine-facts §3."""

from oracle.cases import Case, Step, case, root
from oracle.directed.written import THING, call, edited, thing

_HEAD = """
terraform {
  required_providers {
    testcloud = { source = "local/testcloud" }
  }
}
"""
_PASSING = _HEAD.replace(
    '{ source = "local/testcloud" }',
    '{\n      source                = "local/testcloud"\n      configuration_aliases = [testcloud.here, testcloud.there]\n    }',
)
_BOTH = 'provider "testcloud" { caller = "east" }\nprovider "testcloud" {\n  alias  = "west"\n  caller = "west"\n}\n'
_PASSED = "providers = {\n    testcloud = testcloud.west\n  }"
_THING = _HEAD + THING
_ALIASES = root(
    _HEAD + _BOTH
    + call("east", "thing", name='"in_east"')
    + call("west", "thing", _PASSED, name='"in_west"', refs="[]")
    + call("both", "both", "providers = {\n    testcloud.here = testcloud\n    testcloud.there = testcloud.west\n  }", name='"both"')
    + call("deep", "deep", _PASSED, name='"deep"')
    + call("mixed", "thing", 'for_each = toset(["p", "q"])\n  ' + _PASSED, name="each.key")
    + thing("of_west", "provider = testcloud.west", "refs = [module.east.id]")
    + thing("of_east", "refs = [testcloud_thing.of_west.id]"),
    thing=_THING,
    both=_PASSING + 'variable "name" {}\nresource "testcloud_thing" "h" {\n  provider = testcloud.here\n  name = "${var.name}-h"\n}\n'
    'resource "testcloud_thing" "t" {\n  provider = testcloud.there\n  name = "${var.name}-t"\n}\n'
    'module "again" {\n  source = "../thing"\n  providers = { testcloud = testcloud.there }\n  name = "${var.name}-again"\n}\n',
    deep=_HEAD + 'variable "name" {}\nmodule "inner" {\n  source = "../thing"\n  name = "${var.name}-inner"\n}\n',
)  # fmt: skip
_FED = root(
    _HEAD
    + 'provider "testcloud" { caller = "root" }\nprovider "testcloud" {\n  alias  = "fed"\n  caller = local.caller\n}\nlocals {\n  caller = module.a.out\n}\n'
    + call("a", "thing", name='"a"', size="1")
    + call("b", "thing", "providers = {\n    testcloud = testcloud.fed\n  }", name='"b"')
    + thing("c", "provider = testcloud.fed"),
    thing=_THING,
)
_NAMES = {
    "main.tf": _HEAD.replace("testcloud =", "cloud =").replace("  }\n}", "    }\n}", 1)
    .replace("cloud = {", "cloud = {") + 'provider "cloud" { caller = "named" }\n'
    + 'resource "testcloud_thing" "r" {\n  provider = cloud\n  name = "r"\n}\n' + call("m", "thing", "providers = { testcloud = cloud }", name='"m"'),
    "thing/main.tf": _THING,
}  # fmt: skip
_UNUSED = root(
    _HEAD + _BOTH + 'provider "testcloud" {\n  alias  = "unused"\n  caller = module.late.out\n}\n'
    + call("a", "both", "providers = {\n    testcloud.here = testcloud\n    testcloud.there = testcloud.unused\n  }", name='"a"')
    + call("late", "thing", name='"late"'),
    thing=_THING,
    both=_PASSING + 'variable "name" {}\nresource "testcloud_thing" "h" {\n  provider = testcloud.here\n  name = var.name\n}\n',
)  # fmt: skip
_GONE = root(_HEAD + _BOTH + call("a", "thing", name='"a"') + call("w", "thing", _PASSED, name='"w"'), thing=_THING)
_GONE_TOO = root(_HEAD + 'provider "testcloud" { caller = "east" }\n' + call("a", "thing", name='"a"'), thing=_THING)
_KEPT = root(_HEAD + _BOTH + call("a", "thing", name='"a"'), thing=_THING)
_GONE_FED = {**_FED, "main.tf": str(_FED["main.tf"]).partition('module "b"')[0]}

CASES: list[Case] = [
    case("aliases through modules", "§3 provider edges come from use", _ALIASES, Step(edited(_ALIASES, 'caller = "west"', 'caller = "far west"'), runs=("module.west", "module.both", "module.deep", "root.testcloud_thing.of_east")),
         edited(_ALIASES, "refs = []", "size = 3")),
    case("a provider fed by a module", "§3 edges through providers", _FED, edited(_FED, "size = 1", 'size = 2\n  force = "f"')),
    case("a local name of its own", "§3 names resolved to provider addresses", _NAMES),
    case("passed on but not used", "§3 passed", _UNUSED),
    case("an alias goes with its user", "engine-facts §3", _GONE, Step(_GONE_TOO, fails="Provider configuration not present", shows=False)),
    case("a user goes, its alias stays", "engine-facts §3", _GONE, _KEPT),
    case("a user of a provider that is fed goes", "engine-facts §3", _FED, _GONE_FED),
]  # fmt: skip
