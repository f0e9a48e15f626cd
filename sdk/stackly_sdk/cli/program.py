"""The root of the command line, and how each error ends the program."""

import os
import sys
from typing import ClassVar

import click

from stackly_sdk.cli.lazy import LazyGroup
from stackly_sdk.cli.session import Session
from stackly_sdk.version import VERSION

EXIT_CODES = """\b
Exit codes:
  0 ok, 1 error, 2 usage, 3 run failed, 4 needs approval, 5 denied"""


class Stackly(LazyGroup):
    lazy: ClassVar[dict[str, tuple[str, str]]] = {
        "login": ("login:login", "Sign in with an API key and keep it as a profile."),
        "whoami": ("account:whoami", "Who you are and what you may do."),
        "run": ("runs:create", "Start a run of a stack (= runs create)."),
        "stacks": ("stacks:stacks", "Deployed instances: list, create, update, destroy."),
        "codes": ("codes:codes", "Stack code in connected repositories."),
        "runs": ("runs:runs", "Start, follow, approve and cancel runs."),
        "plan": ("plan:plan", "What a run would change."),
        "graph": ("graph:graph", "The units of a stack in the waves in which they run; as SVG, for Graphviz."),
        "outputs": ("outputs:outputs", "Outputs of a stack."),
        "state": ("state:state", "Terraform state: versions, export, lock."),
        "workers": ("workers:workers", "Workers, and tokens for new ones."),
        "policies": ("policies:policies", "Rules on who must approve."),
        "events": ("events:events", "What happened."),
        "keys": ("account:keys", "API keys."),
        "members": ("account:members", "Members of the account."),
        "repos": ("repos:repos", "Connected Git repositories."),
    }


@click.group(cls=Stackly, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--profile", default="", help="Profile of the configuration file. [default: STACKLY_PROFILE, or the last login]"
)
@click.option(
    "--account", default="", help="Account to work in. [default: STACKLY_ACCOUNT, or that of the credentials]"
)
@click.option(
    "--timeout", default=10.0, show_default=True, help="Seconds for a call with its retries; waits have their own."
)
@click.version_option(VERSION, prog_name="stackly")
@click.pass_context
def stackly(context: click.Context, profile: str, account: str, timeout: float) -> None:
    """Stackly: a push becomes applied infrastructure."""
    if os.environ.get("NO_COLOR"):
        context.color = False
    context.obj = Session(profile=profile, account=account, timeout=timeout)


def run(arguments: list[str] | None = None) -> int:
    """Runs a command line and gives the exit code. What went wrong is said on stderr."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC's own log would stand between our words
    try:
        code = stackly.main(arguments, prog_name="stackly", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output is gone; a second complaint at exit would go nowhere
        return 1
    except Exception as error:
        from stackly_sdk.cli.failures import exit_code

        if (known := exit_code(error)) is None:
            raise
        return known
    return code if isinstance(code, int) else 0
