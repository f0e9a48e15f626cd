"""How the server treats every kind of caller, for the golden file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from server.rules.account import Street
from server.rules.asked import VARIANTS, Special, as_itself, requests, send
from server.rules.calls import RPCS, Outcome, Rpc

GOLDEN = Path(__file__).with_name("matrix.golden")
CALLERS = (
    "none",
    "viewer",
    "operator",
    "approver",
    "admin",
    "owner",
    "key",
    "expired",
    "worker",
    "pending",
    "run",
    "other",
)
WORDS: Mapping[str, str] = {
    "OK": "ok",
    "PERMISSION_DENIED/PERMISSION_DENIED": "denied",
    "NOT_FOUND/NOT_FOUND": "unseen",
    "UNAUTHENTICATED/TOKEN_MISSING": "unsigned",
    "UNAUTHENTICATED/TOKEN_INVALID": "forged",
    "UNAUTHENTICATED/TOKEN_EXPIRED": "late",
    "UNAUTHENTICATED/CERTIFICATE_INVALID": "elsewhere",
    "UNIMPLEMENTED": "absent",
    "FAILED_PRECONDITION/CAPABILITY_MISMATCH": "unproved",
}


async def row(
    street: Street, rpc: Rpc, special: Special | None = None, callers: Iterable[str] = CALLERS
) -> dict[str, str]:
    """Caller → word, each on the accounts as they were."""
    found: dict[str, str] = {}
    for kind in callers:
        caller = street.b.callers["owner"] if kind == "other" else as_itself(rpc, street.a, kind)
        sent = requests(rpc, street.a, caller, special=special) if special else None
        outcome = await send(rpc, street.a, caller, sent)
        found[kind] = word(outcome)
        changed = street.put_back()
        assert outcome.ok or not changed, f"{rpc.name} by {kind}: {outcome}, and yet it changed {changed}"
    return found


def word(outcome: Outcome) -> str:
    return WORDS.get(str(outcome), str(outcome))


def table(rows: Mapping[str, Mapping[str, str]]) -> str:
    """The golden text: a line for each RPC."""
    lines = [line(("rpc", *CALLERS))]
    lines += [line((name, *(cells[caller] for caller in CALLERS))) for name, cells in rows.items()]
    return "".join(f"{each}\n" for each in lines)


def line(cells: Iterable[str]) -> str:
    first, *rest = cells
    return (f"{first:41}" + "".join(f"{cell:10}" for cell in rest)).rstrip()


async def observe(street: Street, names: Iterable[str] = tuple(RPCS)) -> dict[str, dict[str, str]]:
    """The rows of RPCs, or of all."""
    return {name: await row(street, RPCS[name]) for name in names}


async def observe_variants(street: Street) -> dict[str, dict[str, str]]:
    """The rows of requests that need more than their method's permission."""
    return {label: await row(street, RPCS[name], special) for label, (name, special) in VARIANTS.items()}
