"""`flask --app wsgi doctor`."""

import click
from flask.cli import with_appcontext

from webapp.operations.doctor import State, examine
from webapp.text.addresses import checked_address
from webapp.text.languages import ENGLISH

MARKS = {State.OK: "ok    ", State.NOTE: "note: ", State.FIX: "fix:  "}


def _address(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    if given is not None:
        try:
            checked_address(given)
        except ValueError as error:
            raise click.BadParameter(f"{given} is no e-mail address") from error
    return given


@click.command("doctor")
@click.option(
    "--to", metavar="ADDRESS", callback=_address, help="Send a mail there, and show what is said."
)
@with_appcontext
def doctor(to: str | None) -> None:
    """Tell of the settings, mails, database and machine what is well and what to mend.

    A line for each: "ok", "note" for what is right for a trial only, or "fix" with the setting and
    what to do. Ends with 1 if anything is to be mended. Nothing is changed, no secret is shown.
    """
    found = examine(to=to)
    for one in found:
        click.echo(MARKS[one.state] + one.said_in(ENGLISH))
    if any(one.state is State.FIX for one in found):
        raise SystemExit(1)
