"""A second look at providers: what Terraform says a cut plan used against what the whole root configures.

A provider block that was missed means an empty configuration, and resources in a default region: nothing else would tell.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stackly_engine.cutting import needs_of
from stackly_engine.graph import Graph


class ProviderLostError(ValueError):
    """A cut plan uses a provider without the block that the root has for it; the plan must not be used."""


def require_configured(graph: Graph, units: Collection[str], plan: Mapping[str, Any]) -> None:
    """ProviderLostError when a resource of a batch's plan uses a provider block of the root that the cut does not have."""
    missing = lost(graph, units, plan)
    if missing:
        raise ProviderLostError(
            f"the cut of {', '.join(sorted(units))} lost {', '.join(missing)}: nothing was applied; please report this root"
        )


def lost(graph: Graph, units: Collection[str], plan: Mapping[str, Any]) -> tuple[str, ...]:
    """The provider blocks of the root that resources of a cut plan use and that the cut does not have, sorted.

    `plan` is the document of `show -json`, whose `provider_config_key` is Terraform's own answer to which configuration a
    resource uses ("aws.west"; "module.a:aws" is one of a module's own).
    """
    needs = needs_of(graph, units)
    kept = needs.kept - needs.idle
    keys = set(_keys((plan.get("configuration") or {}).get("root_module") or {}))
    blocks = {f"provider.{key}" for key in keys if ":" not in key}
    return tuple(sorted(blocks & graph.configuration.root.nodes.keys() - kept))


def _keys(root: Mapping[str, Any]) -> Iterator[str]:
    waiting = [root]
    while waiting:
        module = waiting.pop()
        for resource in module.get("resources") or []:
            yield str(resource.get("provider_config_key", ""))
        waiting.extend(call.get("module") or {} for call in (module.get("module_calls") or {}).values())
