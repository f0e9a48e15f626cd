"""Records after a plan that has nothing to do, so that the next run need not look at these units again."""

from collections.abc import Sequence

from stackly_worker.runner import limits
from stackly_worker.runner.ports import LeaseLostError, PlaneRefusedError, PlaneUnavailableError, UnitRow
from stackly_worker.runner.session import Session


async def keep(session: Session, rows: Sequence[UnitRow]) -> None:
    """One try: what is not kept, since another run is at work, say, is only planned once more."""
    fitting = [
        row for row in rows if len(row.record) <= limits.RECORD_BYTES and len(row.exports) <= limits.EXPORTS_BYTES
    ]
    if not fitting:
        return
    try:
        await session.plane.write_records(fitting)
    except (PlaneUnavailableError, PlaneRefusedError, LeaseLostError) as error:
        session.transcript.say(f"Not kept, and so planned again by the next run: {error}")
