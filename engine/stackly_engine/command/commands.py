"""The commands: look at a root, plan it and apply it in units, on this machine, with local state."""

import argparse
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from stackly_engine.command import showing, tool
from stackly_engine.command.batch import LocalHands
from stackly_engine.command.glance import Glance
from stackly_engine.command.inspection import Options, RunsWholeError
from stackly_engine.command.running import Session, own_state, session
from stackly_engine.command.tool import Processes, ToolError
from stackly_engine.command.variables import Given
from stackly_engine.command.whole import WholeRun, explained
from stackly_engine.driving.carrying import Apply, Ended
from stackly_engine.driving.chain import Chain
from stackly_engine.driving.known import Known
from stackly_engine.driving.ports import StoppedError

OK, ERROR, USAGE, CHANGES, NOT_COVERED = 0, 1, 2, 2, 4


def run(options: argparse.Namespace, glance: Glance | None) -> int:
    """Run the command with all that it needs; the exit code of `main`."""
    processes = Processes()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: _interrupted(processes, number))
    try:
        return _run(options, processes, glance)
    except (RunsWholeError, StoppedError, ToolError, ValueError, OSError, sqlite3.Error) as error:
        _end(error)
        return 128 + processes.stopped_by if isinstance(error, StoppedError) else ERROR


def _end(error: Exception) -> None:
    """Say what ended the command, in words for its user."""
    if isinstance(error, BrokenPipeError):  # whoever read our output has gone; nobody wants to hear of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(error, RunsWholeError):
        _tell(f"this root is not cut\n{explained(error.reasons).rstrip()}")
    elif isinstance(error, StoppedError):
        _tell("stopped; nothing more was begun")
    elif isinstance(error, OSError) and error.filename:
        _tell(f"{error.filename}: {error.strerror}")
    elif isinstance(error, sqlite3.Error):
        _tell(f"the file .stackly/engine.db of the root cannot be used: {error}")
    else:
        _tell(str(error))


def _run(options: argparse.Namespace, processes: Processes, glance: Glance | None) -> int:
    root = Path(options.directory)
    found = options.found or tool.find(options.tool, root.resolve())
    given = Given(tuple(options.variables or ()))
    with session(root, found, processes, given, tell=_tell, glance=glance, each=options.parallelism) as one:
        one.prepare()
        return _COMMANDS[options.run](one, options)


def _tell(text: str) -> None:
    sys.stderr.write(f"stackly-engine: {text}\n")


def _interrupted(processes: Processes, number: int) -> None:
    """The first signal lets Terraform finish, another Ctrl-C makes it stop at once, as it does by itself."""
    if processes.stopping and number != signal.SIGINT:
        return
    if processes.stopping:
        _tell("stopping at once: what Terraform has in hand may be lost")
    else:
        _tell("stopping: Terraform finishes what it has begun, its state is kept")
    processes.interrupt(number)


def graph(one: Session, options: argparse.Namespace) -> int:
    """Show units, edges and waves."""
    sys.stdout.write(showing.graph(one.known(_options(options)).graph, "json" if options.json else options.format))
    return OK


def cut(one: Session, options: argparse.Namespace) -> int:
    """Show the cut root of some units with what is recorded."""
    sys.stdout.write(showing.cut_root(one.known(_options(options)), options.units))
    return OK


def why(one: Session, options: argparse.Namespace) -> int:
    """Say for each unit whether it runs, and why, as far as that is known before anything is planned."""
    own_state(one.project)
    sys.stdout.write(showing.why(one.known(_options(options)), options.units, as_json=options.json))
    return OK


def plan(one: Session, options: argparse.Namespace) -> int:
    """Plan what must run."""
    own_state(one.project)
    try:
        known, chain = one.plan(_options(options))
    except RunsWholeError as found:
        return _whole_plan(one, options, found)
    try:
        sys.stdout.write(showing.chain(chain, as_json=options.json))
        if chain.errors:
            return ERROR
        return CHANGES if options.detailed_exitcode and chain.changes else OK
    finally:
        chain.close(known.hands)


def apply(one: Session, options: argparse.Namespace) -> int:
    """Plan, ask, apply; a run that was deferred in part is planned again until nothing is left or something is asked."""
    own_state(one.project)
    while True:
        try:
            known, chain = one.plan(_options(options))
        except RunsWholeError as found:
            return _whole_apply(one, options, found)
        code, again = _applied(known, chain, options, one.shell.processes)
        if not again:
            return code


def _whole_plan(one: Session, options: argparse.Namespace, found: RunsWholeError) -> int:
    run = WholeRun(one.shell, one.store, tuple(options.replace or ()))
    try:
        good, changes, output = run.plan()
        sys.stdout.write(explained(found.reasons) + output)
        return ERROR if not good else CHANGES if options.detailed_exitcode and changes else OK
    finally:
        run.close()


def _whole_apply(one: Session, options: argparse.Namespace, found: RunsWholeError) -> int:
    run = WholeRun(one.shell, one.store, tuple(options.replace or ()))
    try:
        good, changes, output = run.plan()
        sys.stdout.write(explained(found.reasons) + output)
        if not good or not changes:
            return OK if good else ERROR
        if not options.yes and not _confirmed():
            sys.stderr.write("nothing was applied\n")
            return ERROR
        good, output = run.apply()
        sys.stdout.write(output)
        return OK if good else ERROR
    finally:
        run.close()


def _applied(known: Known, chain: Chain, options: argparse.Namespace, processes: Processes) -> tuple[int, bool]:
    """The exit code, and whether to plan and ask once more."""
    work = Apply(known, chain, _show)
    try:
        sys.stdout.write(showing.chain(chain, as_json=False))
        if chain.errors or not chain.pieces:
            return (ERROR if chain.errors else OK), False
        if not options.yes and not _confirmed():
            sys.stderr.write("nothing was applied\n")
            return ERROR, False
        with processes.unbroken():
            good = work.run()
        if isinstance(known.hands, LocalHands):
            known.hands.standing.note(known.slices, known.settled_by)
        asks = not good and work.asks and not processes.stopping
        # a round in which nothing could be applied would come out the same again, for ever
        return (OK if good else NOT_COVERED if asks else ERROR), asks and work.progressed
    finally:
        chain.close(known.hands, work.begun)


def _show(ended: Ended) -> None:
    sys.stdout.write(showing.ended(ended))
    sys.stdout.flush()


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise ToolError("there is no terminal to ask on; say --yes to apply without being asked")
    sys.stdout.write("\nApply this plan? Only 'yes' counts: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip() == "yes"


def _options(options: argparse.Namespace) -> Options:
    return Options(tuple(options.replace or ()), options.refresh, options.workers)


_COMMANDS: Mapping[str, Callable[[Session, argparse.Namespace], int]] = {
    "graph": graph, "cut": cut, "why": why, "plan": plan, "apply": apply,
}  # fmt: skip
