"""`flask --app wsgi ...`: what an operator does at the command line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from webapp.errors import DomainError
from webapp.services import accounts, samples

organizer = AppGroup("organizer", help="Make organizers and set their passwords.")
token = AppGroup("token", help="Make API tokens.")


def init_app(app: Flask) -> None:
    for command in (organizer, token, add_samples):
        app.cli.add_command(command)


@contextmanager
def refusals_in_one_line() -> Iterator[None]:
    """Show a domain error as the command's message."""
    try:
        yield
    except DomainError as error:
        raise click.ClickException(str(error)) from error


def ask_password(from_stdin: bool) -> str:
    """Read a password: one line of stdin, or twice from the terminal without echo."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


from_stdin_option = click.option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input."
)


@organizer.command("create")
@click.argument("username")
@from_stdin_option
def create_organizer(username: str, from_stdin: bool) -> None:
    """Make the organizer USERNAME."""
    with refusals_in_one_line():
        accounts.create_organizer(username=username, password=ask_password(from_stdin))
    click.echo(f"Organizer {username} can log in now.")


@organizer.command("password")
@click.argument("username")
@from_stdin_option
def set_password(username: str, from_stdin: bool) -> None:
    """Give USERNAME a new password and end that organizer's sessions."""
    with refusals_in_one_line():
        accounts.set_password(username=username, password=ask_password(from_stdin))
    click.echo(f"Organizer {username} has a new password.")


@token.command("create")
@click.argument("username")
@click.option("--name", required=True, help="What the token is for.")
def create_token(username: str, name: str) -> None:
    """Make a Bearer token for USERNAME and print it; it cannot be shown again."""
    with refusals_in_one_line():
        click.echo(accounts.create_token(username=username, name=name))


@click.command("sample")
@with_appcontext
def add_samples() -> None:
    """Add the sample events to the first organizer's."""
    with refusals_in_one_line():
        samples.add_samples()
    click.echo("The sample events are there.")
