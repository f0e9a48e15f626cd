"""What the owner of account `b` gets for things of account `a`: nothing, in the words for things that do not exist."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from google.protobuf.message import Message

from server.rules.account import Street
from server.rules.asked import name_for, requests, send
from server.rules.calls import Naming, Outcome, Rpc

NOWHERE = "a-7f3e"
_UNSEEN = {"NOT_FOUND/NOT_FOUND", "PERMISSION_DENIED/PERMISSION_DENIED"}
_NO_NAME = "INVALID_ARGUMENT/VALIDATION_FAILED"  # `accounts/-` is the name of nothing


@dataclass
class Trespass:
    """All attempts with one field of one RPC; `problems` are those that were not turned away as they must be."""

    street: Street
    rpc: Rpc
    naming: Naming
    problems: list[str] = field(default_factory=list)
    tried: int = 0

    async def run(self) -> list[str]:
        """Succeeds first with what is one's own, then tries."""
        a, b = self.street.a, self.street.b
        await self.all_names()
        await self._succeeds("b")
        theirs, own = (name_for(each, self.rpc, self.naming.pattern) for each in (a, b))
        await self._alike(
            "a foreign name", [theirs, self._nowhere(theirs), theirs.replace(a.name, f"accounts/{NOWHERE}")]
        )
        for moved in dict.fromkeys([theirs.replace(a.name, b.name, 1), self._below(own, theirs)]):
            if moved != own:
                await self._alike("a foreign id in an own name", [moved, self._nowhere(moved)], in_own_name=True)
        if self.rpc.reads and self.naming.pattern.endswith("/*") and self.naming.pattern != "accounts/*":
            await self._refused(self._with(f"{theirs.rpartition('/')[0]}/-"), "a wildcard")
            await self._refused(
                self._with(theirs.replace(a.name, "accounts/-", 1)), "any account", _UNSEEN | {_NO_NAME}
            )
        return self.problems

    async def all_names(self) -> list[str]:
        """The very request that is good for its owner."""
        await self._succeeds("a")
        await self._refused(self._request("a"), "all names")
        return self.problems

    async def _alike(self, what: str, names: list[str], *, in_own_name: bool = False) -> None:
        """Refused in the same words, whether there is such a thing in the other account, or none, or no such account."""
        words = []
        for name in names:
            outcome = await self._refused(self._with(name), what, None if in_own_name else _UNSEEN)
            words.append((str(outcome), outcome.message.replace(name, "*").replace(name.rpartition("/")[2], "*")))
        if len(set(words)) > 1:
            self.problems.append(f"{what}: {dict(zip(names, words, strict=True))}")

    @staticmethod
    def _below(own: str, theirs: str) -> str:
        """The last id of another's name below one's own thing."""
        return f"{own.rpartition('/')[0]}/{theirs.rpartition('/')[2]}" if own.count("/") > 1 else own

    def _request(self, whose: str) -> Message:
        account = self.street.a if whose == "a" else self.street.b
        (request,) = requests(self.rpc, account, full=True)
        return request

    def _with(self, name: str, request: Message | None = None) -> Message:
        """The trespasser's own request, or another, with one name in it."""
        changed = self.rpc.request()
        changed.CopyFrom(request or self._request("b"))
        self.naming.write(changed, name)
        return changed  # type: ignore[no-any-return]

    def _nowhere(self, name: str) -> str:
        """A name of the same shape that nothing has."""
        parts = name.split("/")
        at = -2 if self.naming.pattern.endswith(("/plan", "/graph")) else -1
        parts[at] = NOWHERE
        return "/".join(parts)

    async def _succeeds(self, whose: str) -> None:
        account = self.street.a if whose == "a" else self.street.b
        outcome = await send(self.rpc, account, account.callers["owner"], [self._request(whose)])
        self.street.put_back()
        if not outcome.ok:
            self.problems.append(f"{whose}'s owner with its own: {outcome}: {outcome.message}")

    async def _refused(self, request: Message, what: str, ends: AbstractSet[str] | None = _UNSEEN) -> Outcome:
        """Tries as the owner of `b`; with no `ends`, any end will do that shows and changes nothing of `a`."""
        self.tried += 1
        outcome = await send(self.rpc, self.street.b, self.street.b.callers["owner"], [request])
        named = self.naming.read(request)
        if ends is not None and str(outcome) not in ends:
            self.problems.append(f"{what}, {named}: {outcome}: {outcome.message}")
        self.problems += [f"{what}, {named}: shows {mark}" for mark in self._shown(outcome, request)]
        if changed := self._changed():
            self.problems.append(f"{what}, {named}: changed {changed}")
        return outcome

    def _changed(self) -> list[str]:
        """Tables in which rows of account `a` are not what they were; then all is put back."""
        now = self.street.place.tables.fingerprint(self.street.a.tenant.account_id)
        self.street.put_back()
        return [table for table, rows in now.items() if rows != self.street.print[table]]

    def _shown(self, outcome: Outcome, request: Message) -> list[str]:
        """Marks of account `a` in what came back, but for those that were sent."""
        seen = outcome.message + b"".join(outcome.answers).decode("utf-8", "replace")
        return [mark for mark in self.street.marks if mark in seen and mark not in str(request)]
