"""Follows a run on the terminal: its phases and its log, until it ends or waits for people. Ctrl-C only detaches."""

import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, clean
from stackly_sdk.reaching import Until, check_approval, check_ended, missing, short

if TYPE_CHECKING:
    from stackly_sdk import Run, Stackly
    from stackly_sdk._gen.stackly.v1 import Run as RunMessage
    from stackly_sdk._gen.stackly.v1 import TailRunLogsResponse

_LOG_END_SECONDS = 20.0


def log_end(client: "Stackly", run: "Run") -> int:
    """Where the log ends now, in bytes."""
    stream = client.runs.api.tail_run_logs(name=run.name, no_follow=True)
    for _ in stream:
        pass
    return cast("int", stream.position)


def present(
    session: Session, client: "Stackly", run: "Run", *, follow: bool, news: str = "Started", offset: int = 0
) -> None:
    """Says that the run is there; with `follow` stays with it, raising what it ends with. The log is shown from `offset` on."""
    if not follow:
        session.show(
            run.raw,
            lambda: [f"{news} {run.id}: {words.status(run.status)}.", f"Follow it: stackly runs logs {run.id} -f"],
        )
        return
    if session.json:
        session.show(wait_for(run, "done", None, through_approval=False).raw, list)
        return
    click.echo(f"{news} {run.id}. Ctrl-C detaches; the run goes on.")
    try:
        ended = Follower(client, run.raw, offset).follow()
    except KeyboardInterrupt:
        click.echo(f"\nDetached; {run.id} goes on. Come back: stackly runs logs {run.id} -f", err=True)
        raise click.exceptions.Exit(130) from None
    check_ended(ended)
    check_approval(ended, "done")


def wait_for(run: "Run", until: str, timeout: str | None, *, through_approval: bool) -> "Run":
    try:
        return run.wait(cast("Until", until), timeout, approval="wait" if through_approval else "raise")
    except KeyboardInterrupt:
        click.echo(f"\n{run.id} goes on. Come back: stackly runs wait {run.id}", err=True)
        raise click.exceptions.Exit(130) from None


class Follower:
    """Two readers, one for the run's changes and one for its log, put what they get into one queue for the terminal."""

    def __init__(self, client: "Stackly", run: "RunMessage", offset: int) -> None:
        self._client = client
        self._run = run
        self._news: queue.Queue[tuple[Callable[[Any], None], Any]] = queue.Queue()
        self._rest = ""
        self._offset = offset
        self._log_ended = False
        self._status = -1
        self._left: list[str] = words.left(run)

    def follow(self) -> "RunMessage":
        """Gives the run when it ended or waits for people; raises what a reader met."""
        for reader in (self._read_changes, self._read_log):
            threading.Thread(target=self._guarded, args=(reader,), daemon=True).start()
        while not self._settled():
            show, what = self._news.get()
            show(what)
        self._finish_log()
        return self._run

    def _settled(self) -> bool:
        from stackly_sdk._gen.stackly.v1 import RunStatus

        return self._run.done or self._run.status == RunStatus.AWAITING_APPROVAL

    def _finish_log(self) -> None:
        """The rest of the log: its end comes by itself when the run is done, else it is read up to now."""
        try:
            while self._run.done and not self._log_ended:
                show, what = self._news.get(timeout=_LOG_END_SECONDS)
                show(what)
        except queue.Empty:
            click.echo(f"The log goes on: stackly runs logs {short(self._run)}", err=True)
        if not self._run.done:
            self._take_what_came()
            for record in self._tail(no_follow=True):
                self._show_record(record)
        if self._rest:
            click.echo(clean(self._rest))

    def _take_what_came(self) -> None:
        while not self._news.empty():
            show, what = self._news.get()
            show(what)
        self._log_ended = True  # what the reader of the log still gets is read by us

    def _guarded(self, reader: Callable[[], None]) -> None:
        try:
            reader()
        except Exception as error:  # noqa: BLE001  # raised again where the queue is read
            self._news.put((_raise, error))

    def _read_changes(self) -> None:
        run = self._run
        self._news.put((self._show_run, run))
        from stackly_sdk._gen.blocking.waiters import poll
        from stackly_sdk._gen.stackly.v1 import WaitUntil

        while not run.done:
            run = poll(self._client.runs.api, run, WaitUntil.DONE, run.etag).run or run
            self._news.put((self._show_run, run))

    def _read_log(self) -> None:
        for record in self._tail(no_follow=False):
            self._news.put((self._show_record, record))

    def _tail(self, *, no_follow: bool) -> Any:
        return self._client.runs.api.tail_run_logs(name=self._run.name, offset=self._offset, no_follow=no_follow)

    def _show_run(self, run: "RunMessage") -> None:
        self._run = run
        if run.status == self._status:
            return
        self._status = run.status
        worker = f" on {words.last(run.worker)}" if run.worker and not self._settled() else ""
        plan = f" {words.summary(run.plan_summary)}" if run.plan_summary else ""
        click.secho(clean(f"● {words.status(run.status)}{worker}{missing(run)}{plan}"), fg="cyan", bold=True)
        left = words.left(run)
        for line in left if left != self._left else ():
            click.secho(clean(f"  to be planned again: {line}"), fg="yellow")
        self._left = left
        if run.waiting_on and run.waiting_on.missing_capabilities:
            click.secho(clean(f"  no worker has: {words.lacking(run.waiting_on)}"), fg="yellow")

    def _show_record(self, record: "TailRunLogsResponse") -> None:
        if record.end is not None:
            self._log_ended = True
        if record.chunk is None or record.next_offset <= self._offset:
            return
        self._offset = record.next_offset
        *lines, self._rest = (self._rest + record.chunk.text).split("\n")
        for line in lines:
            click.echo(clean(line))


def _raise(error: Exception) -> None:
    raise error
