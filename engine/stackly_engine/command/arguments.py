"""The command line of stackly-engine."""

import argparse
from collections.abc import Sequence

_ABOUT = """\
The cost of a run follows the change: a root is cut at its module blocks, units whose inputs did not change are skipped,
the others run in Terraform (or OpenTofu) on cut copies of the root. State stays in the root's own terraform.tfstate.
"""
_LEAVE = "To leave: delete the folder .stackly in the root; plain Terraform goes on with the same state."


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `run` is the name of the command. Wrong usage ends the process with 2."""
    parser = argparse.ArgumentParser(
        prog="stackly-engine", description=_ABOUT, epilog=_LEAVE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = _command(commands, "graph", "units, edges and waves of a root")
    one.add_argument("--format", choices=("text", "dot", "svg", "json"), default="text")
    _command(commands, "cut", "the cut root of units, as Terraform would see it").add_argument("units", nargs="+")
    asked = _command(commands, "why", "whether each unit would run, and why")
    asked.add_argument("units", nargs="*")
    planned = _command(commands, "plan", "plan what must run, skip the rest")
    planned.add_argument("--detailed-exitcode", action="store_true", help="2 when something would change")
    applied = _command(commands, "apply", "plan, ask, apply")
    applied.add_argument("-y", "--yes", action="store_true", help="do not ask")
    return parser.parse_args(argv)


class _Variable(argparse.Action):
    """`--var` and `--var-file` in the order in which they came: the last one wins."""

    def __call__(
        self, _: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        given = [*(getattr(namespace, self.dest) or []), ((option or "").lstrip("-"), str(values))]
        setattr(namespace, self.dest, given)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
) -> argparse.ArgumentParser:
    one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    one.add_argument("directory", metavar="DIR", help="the root module's folder")
    one.add_argument("--tool", default="", metavar="PATH", help="terraform or tofu; default: the first on PATH")
    one.add_argument("--var", dest="variables", action=_Variable, metavar="NAME=VALUE")
    one.add_argument("--var-file", dest="variables", action=_Variable, metavar="FILE")
    one.add_argument("--replace", action="append", metavar="ADDRESS", help="make this instance anew; may be repeated")
    one.add_argument("--refresh", action="store_true", help="run every unit, changed or not")
    one.add_argument("--workers", type=_positive, default=2, metavar="N", help="batches side by side (default 2)")
    one.add_argument(
        "--parallelism", type=_positive, default=0, metavar="N",
        help="operations at once in each Terraform; by default ten are shared by the batches side by side",
    )  # fmt: skip
    one.add_argument("--json", action="store_true", help="as JSON")
    one.set_defaults(run=name)
    return one
