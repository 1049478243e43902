"""`flask --app wsgi backup` and `restore`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask.cli import with_appcontext

from webapp.config import current_settings
from webapp.operations import restore as restoring
from webapp.operations.backup import Backup, BrokenRules, back_up, back_up_into, key_of
from webapp.operations.copying import Progress
from webapp.operations.files import OperationError
from webapp.verify.services import Report

MEGABYTE = 2**20


@click.command("backup")
@click.argument("path", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    help="With a FOLDER: how many of the backups in it to keep, the newest.",
)
@with_appcontext
def backup(path: Path, keep: int | None) -> None:
    """Write the whole site as it is now to the new FILE, while it goes on.

    It is an SQLite file, whichever database the site is on, with the events' pictures; the secret
    key goes to FILE.secret-key beside it. In a FOLDER the backup is called nextup-<UTC>.db.
    """
    with failures_in_lines(), shown_progress() as progress:
        settings = current_settings()
        if path.is_dir() or (keep is not None and not path.exists()):
            made = back_up_into(path, settings, keep=keep, progress=progress)
        elif keep is not None:
            raise OperationError(f"--keep: {path} is no folder")
        else:
            made = back_up(path, settings, progress=progress)
    told(made)


def told(made: Backup) -> None:
    click.echo(
        f"{made.path}: {figures(made.report)}, {max(1, made.size // MEGABYTE):,} MB."
        f"\nThe secret key is in {key_of(made.path)}: whoever has both has the site."
    )


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--even-broken", is_flag=True, help="Also one that breaks rules, if nothing better is there."
)
@with_appcontext
def restore(file: Path, even_broken: bool) -> None:
    """Fill the database of the settings, which has to be empty, with the backup FILE.

    All of it or nothing. Afterwards no mail is sent and no booking lapses until
    `flask --app wsgi deliver --resume`.
    """
    with failures_in_lines(), shown_progress() as progress:
        settings = current_settings()
        done = restoring.restore(file, settings, even_broken=even_broken, progress=progress)
    for broken in done.report.broken:
        click.echo(broken)
    click.echo(f"Restored: {figures(done.report)}.")
    if not done.has_key:
        click.echo(
            f"There was no {key_of(file).name} beside it: links in mails that were sent lead"
            " nowhere unless the site's SECRET_KEY is the one of then."
        )
    mails = "1 mail waits" if done.pending == 1 else f"{done.pending:,} mails wait"
    again = "; what left after the backup is sent again" if done.pending else ""
    click.echo(
        f"Mails and lapses rest, and {mails}{again}."
        "\nLook whether all is there, then: flask --app wsgi deliver --resume"
    )


def figures(report: Report) -> str:
    lines = f"{report.activities:,} lines of history"
    return f"{report.events:,} events, {report.bookings:,} bookings, {lines}"


@contextmanager
def failures_in_lines() -> Iterator[None]:
    """Show what is in the way as the command's message, after a line for each broken rule."""
    try:
        yield
    except OperationError as error:
        if isinstance(error, BrokenRules):
            for broken in error.report.broken:
                click.echo(broken, err=True)
        raise click.ClickException(str(error)) from error


@contextmanager
def shown_progress() -> Iterator[Progress | None]:
    """Show on a terminal how far it has come, in one line that is gone in the end."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(what: str, done: int, total: int) -> None:
        of = f" {done:,} of {total:,}" if total else " ..."
        click.echo(f"\r\033[K{what}{of}", nl=False, err=True)

    try:
        yield show
    finally:
        click.echo("\r\033[K", nl=False, err=True)
