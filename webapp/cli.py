"""`flask --app wsgi ...`: what an operator does at the command line."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
from babel import Locale, UnknownLocaleError
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from webapp.accounts import services as accounts
from webapp.accounts import tokens
from webapp.accounts.contacts import set_contact
from webapp.accounts.logins import end_logins
from webapp.accounts.services import Level
from webapp.booking import heartbeat
from webapp.config import current_settings
from webapp.errors import DomainError, Unavailable
from webapp.events import samples
from webapp.mail import worker
from webapp.operations import commands as operations
from webapp.operations.doctor_command import doctor
from webapp.server.fetching import fetch_in_background
from webapp.text import extraction
from webapp.text.languages import ENGLISH, LANGUAGES
from webapp.text.sentences import sentence_of
from webapp.verify import services as verify
from webapp.web.schemas import ContactFields, from_form

organizer = AppGroup("organizer", help="Make organizers and set their passwords.")
token = AppGroup("token", help="Make, list and revoke API tokens.")


def init_app(app: Flask) -> None:
    for command in (organizer, token, add_samples, verify_all, deliver, update_texts):
        app.cli.add_command(command)
    for command in (operations.backup, operations.restore, doctor):
        app.cli.add_command(command)


@contextmanager
def refusals_in_one_line() -> Iterator[None]:
    """Show a domain error as the command's message."""
    try:
        yield
    except DomainError as error:
        raise click.ClickException(sentence_of(error, ENGLISH)) from error


def ask_password(from_stdin: bool) -> str:
    """Read a password: one line of stdin, or twice from the terminal without echo."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def tokens_are(count: int) -> str:
    return "1 API token is" if count == 1 else f"{count} API tokens are"


from_stdin_option = click.option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input."
)


@organizer.command("create")
@click.argument("username")
@from_stdin_option
@click.option("--name", default="", help="Who organizes, as attendees read it.")
@click.option("--contact", default="", help="The public address for attendees' questions.")
def create_organizer(username: str, from_stdin: bool, name: str, contact: str) -> None:
    """Make the organizer USERNAME."""
    with refusals_in_one_line():
        given = {"contact_name": name, "contact_email": contact}
        shown = from_form(ContactFields, {k: v for k, v in given.items() if v}).contact()
        password = ask_password(from_stdin)
        account_id = accounts.create_organizer(username=username, password=password)
        if any(shown):
            set_contact(account_id, shown)
    click.echo(f"Organizer {username} can log in now.")


@organizer.command("password")
@click.argument("username")
@from_stdin_option
@click.option("--revoke-tokens", is_flag=True, help="End the organizer's API tokens as well.")
def set_password(username: str, from_stdin: bool, revoke_tokens: bool) -> None:
    """Give USERNAME a new password and end that organizer's sessions.

    API tokens work on unless they are revoked.
    """
    with refusals_in_one_line():
        organizer_id = accounts.id_of(username)
        count = accounts.set_password(
            organizer_id, password=ask_password(from_stdin), revoke_tokens=revoke_tokens
        )
    click.echo(f"Organizer {username} has a new password.")
    if revoke_tokens:
        click.echo(f"{tokens_are(count)} revoked.")
    elif count:
        click.echo(
            f"{tokens_are(count)} still good: see `flask --app wsgi token list {username}`.\n"
            "--revoke-tokens ends all of them, `token revoke` ends one."
        )


@organizer.command("list")
def list_organizers() -> None:
    """Tell which organizers there are: name, address, and when each was last logged in."""
    for one in accounts.list_organizers():
        address = one.email or "no address"
        seen = f"last seen {one.last_seen_at:%Y-%m-%d}" if one.last_seen_at else "not logged in"
        click.echo(f"{one.username}  {address}  {seen}")


@organizer.command("sign-out")
@click.argument("username")
def sign_out(username: str) -> None:
    """End every sign-in of USERNAME; the password and the API tokens stay."""
    with refusals_in_one_line():
        count = end_logins(accounts.id_of(username))
    click.echo(f"{'1 sign-in is' if count == 1 else f'{count} sign-ins are'} ended.")


@token.command("create")
@click.argument("username")
@click.option("--name", required=True, help="What the token is for.")
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.MANAGE.value,
    show_default=True,
    help="What it may do: read; book and cancel as well; or all but the account itself.",
)
@click.option("--days", type=int, help="How long it is good; without it until it is revoked.")
def create_token(username: str, name: str, level: str, days: int | None) -> None:
    """Make a Bearer token for USERNAME and print it; it cannot be shown again."""
    with refusals_in_one_line():
        organizer_id = accounts.id_of(username)
        click.echo(tokens.create_token(organizer_id, name=name, level=Level(level), days=days))


@token.command("list")
@click.argument("username")
def list_tokens(username: str) -> None:
    """Tell which tokens USERNAME has: id, level, when made, last used and good until, and name."""
    with refusals_in_one_line():
        found = tokens.tokens_of(accounts.id_of(username))
    for one in found:
        used = f"used {one.last_used_at:%Y-%m-%d}" if one.last_used_at else "never used"
        ends = f"until {one.expires_at:%Y-%m-%d}" if one.expires_at else "no end"
        ends = "expired" if one.is_expired else ends
        click.echo(
            f"{one.id}  {one.level.value:<6}  made {one.created_at:%Y-%m-%d}  {used}  {ends}"
            f"  {one.name}"
        )
    if not found:
        click.echo(f"Organizer {username} has no API tokens.")


@token.command("revoke")
@click.argument("token_id", metavar="ID", type=int)
def revoke_token(token_id: int) -> None:
    """End the token of that id, the first thing that `token list` tells of it."""
    with refusals_in_one_line():
        name = tokens.revoke_token(token_id)
    click.echo(f"The token {name} is revoked.")


@click.command("sample")
@with_appcontext
def add_samples() -> None:
    """Add the sample events to the first organizer's."""
    with refusals_in_one_line():
        samples.add_samples(LANGUAGES[current_settings().language].gettext)
    click.echo("The sample events are there.")


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@with_appcontext
def verify_all(as_json: bool) -> None:
    """Hold every rule of tickets and waiting list against the database, while the site runs.

    Ends with 0 when all is well, with 1 when a rule is broken (a line for each, naming the rows)
    and with 2 when the database could not be read.
    """
    try:
        report = verify.verify()
    except Unavailable as error:
        click.echo("Nothing was checked: the database cannot be reached.", err=True)
        raise SystemExit(2) from error
    if as_json:
        click.echo(json.dumps({"ok": not report.broken, **asdict(report)}))
    else:
        for broken in report.broken:
            click.echo(broken)
        kept = f"{len(report.broken)} of {report.rules} rules are broken"
        click.echo(
            f"{kept if report.broken else f'All {report.rules} rules hold'}: "
            f"{report.events:,} events, {report.bookings:,} bookings, "
            f"{report.activities:,} lines of history, {report.seconds} s."
        )
    if report.broken:
        raise SystemExit(1)


@click.command("deliver")
@click.option("--once", "until_idle", is_flag=True, help="Stop when nothing is due any more.")
@click.option("--resume", is_flag=True, help="End the rest after a restore, and send nothing now.")
@with_appcontext
def deliver(until_idle: bool, resume: bool) -> None:
    """Send what has to be sent; bin/run does that by itself.

    After a restore nothing is sent and no booking lapses until --resume ends that rest.
    """
    if current_settings().secret_key is None:
        raise click.ClickException(
            "SECRET_KEY: is not set; set it to that of the site, for the links in mails"
        )
    with refusals_in_one_line():
        if not resume:
            if not until_idle:
                fetch_in_background(current_settings())
            worker.deliver(until_idle=until_idle)
        elif heartbeat.resume():
            click.echo("Mails are sent again, and who does not answer in time lapses.")
        else:
            click.echo("Nothing was resting.")


@click.command("texts")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
def update_texts(codes: tuple[str, ...]) -> None:
    """Bring the catalogues up to date with the sources, and begin one for each CODE, such as fr.

    For those who work on Nextup: it writes to webapp/text/catalogues.
    """
    for code in codes or LANGUAGES.keys() - {ENGLISH.code}:
        try:
            Locale.parse(code, sep="-")
        except (UnknownLocaleError, ValueError) as error:
            raise click.ClickException(f"{code}: {error}") from error
        path = extraction.catalogue_of(code)
        path.write_bytes(extraction.brought_up_to_date(path))
        catalogue = extraction.read_catalogue(path)
        missing = len(extraction.untranslated(catalogue))
        click.echo(f"{code}: {len(catalogue)} texts, {missing} of them to be translated.")
