"""Which batches of a planning may start now: prices, batches and the planning's own state brought together."""

from collections.abc import Collection, Iterable, Mapping

from stackly_engine.batches import Batch, Batching, batches
from stackly_engine.pricing import Price
from stackly_engine.reasons import Reason
from stackly_engine.schedule import Planning, Status


class Dispatch:
    """Ask `ready` after every event of the planning, and start what it names.

    Batches are made once, and again when a unit has become definite or blocked that they did not count on. `whole` says
    why the first of them is all of the root; `expected` is what was reckoned first.
    """

    def __init__(
        self,
        planning: Planning,
        *,
        sizes: Mapping[str, int],
        price: Price,
        workers: int = 1,
        together: Iterable[Collection[str]] = (),
    ) -> None:
        self._planning = planning
        self._sizes = sizes
        self._price = price
        self._workers = workers
        self._together = tuple(frozenset(one) for one in together)
        self._waiting: tuple[Batch, ...] = ()
        self.whole: Reason | None = None
        self.expected = self._arrange(may_run_whole=True)

    def join(self, together: Iterable[Collection[str]]) -> None:
        """From now on these are one batch: `Planning.joins`, or coupled by what they destroy. They are reopened."""
        more = tuple(frozenset(one) for one in together)
        self._planning.reopen(frozenset().union(*more))
        self._together += more
        self._arrange(may_run_whole=False)

    def ready(self) -> tuple[tuple[str, ...], ...]:
        """The batches that may start now, in order."""
        self._block()
        open_units = self._planning.definite() | self._planning.maybe()
        if self.whole is None or not self._planning.ready(self._planning.upstream):
            self._waiting = tuple(batch for batch in self._waiting if open_units & set(batch.units))
            if not self._fits(open_units):
                self._arrange(may_run_whole=False)
        return tuple(batch.units for batch in self._waiting if self._planning.ready(batch.units))

    def _block(self) -> None:
        """What must run together with a unit that cannot run cannot run either."""
        for batch in self._waiting:
            lost = [unit for unit in batch.units if self._planning.statuses[unit] in {Status.BLOCKED, Status.FAILED}]
            if lost and self._forced() & set(batch.units):
                self._planning.block(batch.units, lost[0])

    def _fits(self, open_units: frozenset[str]) -> bool:
        placed = frozenset(unit for batch in self._waiting for unit in batch.units)
        return self._planning.definite() <= placed <= open_units | self._forced()

    def _forced(self) -> frozenset[str]:
        return frozenset().union(*self._together)

    def _arrange(self, *, may_run_whole: bool) -> Batching:
        found = batches(
            self._planning.upstream,
            self._planning.definite(),
            maybe=self._planning.maybe(),
            together=self._together,
            sizes=self._sizes,
            price=self._price,
            workers=self._workers,
            may_run_whole=may_run_whole,
        )
        self._waiting = found.batches
        self.whole = found.whole if may_run_whole else self.whole
        return found
