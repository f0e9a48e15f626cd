"""Which worker a batch needs: what the stack asks for, and for an apply exactly the engine that planned. Pure."""

from dataclasses import replace

from stackly_engine.constraints import BadVersionError, Version
from stackly_server.runs.model import Plan
from stackly_server.stacks.service import Blueprint
from stackly_server.workers.model import ENGINES, Selector


def wanted(blueprint: Blueprint) -> Selector:
    """What the stack file asks for."""
    return Selector(
        engine=blueprint.engine, constraint=blueprint.constraint, features=frozenset(blueprint.features),
        labels=blueprint.required_labels,
    )  # fmt: skip


def pinned(blueprint: Blueprint, plan: Plan) -> Selector:
    """The same with the very engine that made the plan: another one may read it otherwise, or refuse it."""
    product, _, version = plan.engine.partition(" ")
    if product not in ENGINES or not _is_version(version):
        return wanted(blueprint)
    return replace(wanted(blueprint), engine=product, constraint=f"= {version}")


def requirement(blueprint: Blueprint, plan: Plan | None) -> str:
    """What the runner is told, such as `terraform ~> 1.11`; with the plan that it applies, `terraform = 1.11.4`."""
    selector = wanted(blueprint) if plan is None else pinned(blueprint, plan)
    return f"{selector.engine} {selector.constraint}".strip()


def _is_version(text: str) -> bool:
    try:
        Version.parse(text)
    except BadVersionError:
        return False
    return True
