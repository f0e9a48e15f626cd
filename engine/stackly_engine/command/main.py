"""stackly-engine: look at a root, plan it and apply it in units, on this machine, with local state."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stackly_engine.command import showing, tool
from stackly_engine.command.inspection import Options, RunsWholeError
from stackly_engine.command.running import Session, own_state, session
from stackly_engine.command.tool import Processes, ToolError
from stackly_engine.command.variables import Given
from stackly_engine.command.whole import WholeRun, explained
from stackly_engine.driving.carrying import Apply, Ended
from stackly_engine.driving.chain import Chain
from stackly_engine.driving.known import Known

OK, ERROR, USAGE, CHANGES, NOT_COVERED = 0, 1, 2, 2, 4

_ABOUT = """\
The cost of a run follows the change: a root is cut at its module blocks, units whose inputs did not change are skipped,
the others run in Terraform (or OpenTofu) on cut copies of the root. State stays in the root's own terraform.tfstate.
"""
_LEAVE = "To leave: delete the folder .stackly in the root; plain Terraform goes on with the same state."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code. 0 good, 1 an error, 2 wrong usage or (plan --detailed-exitcode) changes, 4 not covered."""
    options = _parser().parse_args(argv)
    processes = Processes()
    signal.signal(signal.SIGTERM, lambda *_: processes.interrupt())
    signal.signal(signal.SIGINT, lambda *_: _interrupted(processes))
    try:
        found = tool.find(options.tool)
        with session(options.directory, found, processes, Given(tuple(options.variables or ()))) as one:
            if options.run in {plan, apply} and (skipped := one.unchanged(_options(options))) is not None:
                sys.stdout.write(showing.nothing(skipped, as_json=options.json))
                return OK
            one.prepare()
            run: Callable[[Session, argparse.Namespace], int] = options.run
            return run(one, options)
    except RunsWholeError as found:
        sys.stderr.write(f"stackly-engine: this root is not cut\n{explained(found.reasons)}")
        return ERROR
    except (ToolError, ValueError) as error:
        sys.stderr.write(f"stackly-engine: {error}\n")
        return ERROR


def _interrupted(processes: Processes) -> None:
    if not processes.stopping:
        sys.stderr.write("stopping: Terraform finishes what it has begun, its state is kept\n")
    processes.interrupt()


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
        try:
            code, again = _applied(known, chain, options)
        finally:
            chain.close(known.hands)
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


def _applied(known: Known, chain: Chain, options: argparse.Namespace) -> tuple[int, bool]:
    sys.stdout.write(showing.chain(chain, as_json=False))
    if chain.errors:
        return ERROR, False
    if not chain.pieces:
        return OK, False
    if not options.yes and not _confirmed():
        sys.stderr.write("nothing was applied\n")
        return ERROR, False
    work = Apply(known, chain, _tell)
    good = work.run()
    if good:
        return OK, False
    if work.asks and not known.hands.stopping:
        return NOT_COVERED, True
    return ERROR, False


def _tell(ended: Ended) -> None:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stackly-engine", description=_ABOUT, epilog=_LEAVE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = _command(commands, "graph", "units, edges and waves of a root", graph)
    one.add_argument("--format", choices=("text", "dot", "json"), default="text")
    _command(commands, "cut", "the cut root of units, as Terraform would see it", cut).add_argument("units", nargs="+")
    asked = _command(commands, "why", "whether each unit would run, and why", why)
    asked.add_argument("units", nargs="*")
    planned = _command(commands, "plan", "plan what must run, skip the rest", plan)
    planned.add_argument("--detailed-exitcode", action="store_true", help="2 when something would change")
    applied = _command(commands, "apply", "plan, ask, apply", apply)
    applied.add_argument("-y", "--yes", action="store_true", help="do not ask")
    return parser


class _Variable(argparse.Action):
    """`--var` and `--var-file` in the order in which they came: the last one wins."""

    def __call__(
        self, _: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        given = [*(getattr(namespace, self.dest) or []), ((option or "").lstrip("-"), str(values))]
        setattr(namespace, self.dest, given)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    run: Callable[[Session, argparse.Namespace], int],
) -> argparse.ArgumentParser:
    one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    one.add_argument("directory", type=Path, metavar="DIR", help="the root module's folder")
    one.add_argument("--tool", default="", metavar="PATH", help="terraform or tofu; default: the first on PATH")
    one.add_argument("--var", dest="variables", action=_Variable, metavar="NAME=VALUE")
    one.add_argument("--var-file", dest="variables", action=_Variable, metavar="FILE")
    one.add_argument("--replace", action="append", metavar="ADDRESS", help="make this instance anew; may be repeated")
    one.add_argument("--refresh", action="store_true", help="run every unit, changed or not")
    one.add_argument("--workers", type=int, default=2, metavar="N", help="batches side by side (default 2)")
    one.add_argument("--json", action="store_true", help="as JSON")
    one.set_defaults(run=run)
    return one
