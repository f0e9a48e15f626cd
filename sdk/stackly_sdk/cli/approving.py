"""Shows a plan to the one who decides on it, and approves exactly that plan."""

from typing import TYPE_CHECKING

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.asking import confirm
from stackly_sdk.cli.session import Session

if TYPE_CHECKING:
    from stackly_sdk import Run


def approve_shown(session: Session, run: "Run", *, comment: str, plan_digest: str, yes: bool) -> "Run":
    """Asks unless `yes`. What is approved is the digest of what was shown, or the given one."""
    plan = run.plan
    if not session.json:
        from stackly_sdk.cli.plan import print_plan

        print_plan(plan, run.changes())
    confirm(f"Approve {run.id}? {words.summary(plan.summary)}", yes=yes)
    if not plan_digest and plan.digest != run.plan_digest:
        click.echo("The plan changed while it was read; this is the newer one.", err=True)
    return run.approve(plan_digest=plan_digest or plan.digest, comment=comment)
