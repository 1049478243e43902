"""What an operator does at the command line with organizers and their tokens."""

import re
from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask

from webapp.accounts import services as accounts
from webapp.accounts.contacts import Contact, contact_of

PASSWORD = "correct horse"
Command = Callable[..., Result]


@pytest.fixture
def command(app: Flask) -> Command:
    """Run `flask` with these words: `command("token", "list", "olga")`."""

    def run(*words: str, typed: str = "") -> Result:
        return app.test_cli_runner().invoke(args=words, input=typed)

    return run


@pytest.fixture
def olga(command: Command) -> str:
    made = command("organizer", "create", "olga", "--password-stdin", typed=f"{PASSWORD}\n")
    assert (made.exit_code, made.output) == (0, "Organizer olga can log in now.\n")
    return "olga"


@pytest.fixture
def make_token(command: Command, olga: str) -> Callable[[str], str]:
    def make(name: str) -> str:
        made = command("token", "create", olga, "--name", name)
        assert made.exit_code == 0, made.output
        return made.output.strip()

    return make


@pytest.fixture
def works(app: Flask) -> Callable[[str], bool]:
    def works(token: str) -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        return app.test_client().get("/api/organizer/events", headers=headers).status_code == 200

    return works


def test_tokens_are_listed_with_their_day_and_without_their_secret(
    command: Command, make_token: Callable[[str], str]
) -> None:
    assert command("token", "list", "olga").output == "Organizer olga has no API tokens.\n"
    secrets = [make_token(name) for name in ("till", "gate", "till")]
    listed = command("token", "list", "olga")
    assert listed.exit_code == 0
    lines = listed.output.splitlines()
    assert [line.rpartition("  ")[2] for line in lines] == ["till", "gate", "till"]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC  ", line) for line in lines)
    assert not any(secret[7:] in listed.output for secret in secrets)


def test_token_works_until_it_is_revoked_by_its_name(
    command: Command, make_token: Callable[[str], str], works: Callable[[str], bool]
) -> None:
    tokens = [make_token(name) for name in ("till", "gate", "Till", "till", "tïll")]
    assert all(map(works, tokens))
    revoked = command("token", "revoke", "olga", "--name", "till")
    assert (revoked.exit_code, revoked.output) == (0, "2 API tokens are revoked.\n")
    assert [works(token) for token in tokens] == [False, True, True, False, True]
    revoked = command("token", "revoke", "olga", "--name", "gate")
    assert (revoked.exit_code, revoked.output) == (0, "1 API token is revoked.\n")
    again = command("token", "revoke", "olga", "--name", "gate")
    assert again.exit_code == 1
    assert "Organizer olga has no token named gate" in again.output
    assert "token list olga" in again.output


def test_token_of_another_organizer_is_left_alone(
    app: Flask, command: Command, make_token: Callable[[str], str], works: Callable[[str], bool]
) -> None:
    mine = make_token("till")
    with app.app_context():
        accounts.create_organizer(username="sam", password=PASSWORD)
        other = accounts.create_token(username="sam", name="till")
    assert command("token", "revoke", "sam", "--name", "till").exit_code == 0
    assert [works(mine), works(other)] == [True, False]


@pytest.mark.parametrize(
    "words",
    [
        ("token", "list", "nobody"),
        ("token", "revoke", "nobody", "--name", "till"),
        ("token", "create", "nobody", "--name", "till"),
        ("organizer", "password", "nobody", "--password-stdin"),
    ],
    ids=" ".join,
)
def test_unknown_organizer_is_said(command: Command, words: tuple[str, ...]) -> None:
    result = command(*words, typed=f"{PASSWORD}\n")
    assert result.exit_code == 1
    assert "There is no organizer nobody." in result.output


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "\x1b[2J"], ids=repr)
def test_token_has_a_name_that_can_be_read(command: Command, olga: str, name: str) -> None:
    result = command("token", "create", olga, "--name", name)
    assert result.exit_code == 1
    assert "name: " in result.output


def test_new_password_tells_of_the_tokens_that_still_work(
    command: Command, make_token: Callable[[str], str], works: Callable[[str], bool]
) -> None:
    def set_password(*more: str) -> str:
        result = command(
            "organizer", "password", "olga", "--password-stdin", *more, typed="another password\n"
        )
        assert result.exit_code == 0, result.output
        return result.output

    done = "Organizer olga has a new password.\n"
    assert set_password() == done
    tokens = [make_token(name) for name in ("till", "gate")]
    said = set_password()
    assert said.startswith(f"{done}2 API tokens are still good")
    assert "--revoke-tokens" in said
    assert "token list olga" in said
    assert [works(token) for token in tokens] == [True, True]
    assert set_password("--revoke-tokens") == f"{done}2 API tokens are revoked.\n"
    assert [works(token) for token in tokens] == [False, False]
    assert set_password("--revoke-tokens") == f"{done}0 API tokens are revoked.\n"


def test_password_that_is_refused_revokes_nothing(
    command: Command, make_token: Callable[[str], str], works: Callable[[str], bool]
) -> None:
    token = make_token("till")
    words = ("organizer", "password", "olga", "--password-stdin", "--revoke-tokens")
    assert command(*words, typed="short\n").exit_code == 1
    assert works(token)


def test_organizer_is_made_with_what_attendees_see(app: Flask, command: Command) -> None:
    words = ("organizer", "create", "sam", "--password-stdin", "--name", "The Choir")
    typed = f"{PASSWORD}\n"
    wrong = command(*words, "--contact", "nobody", typed=typed)
    assert wrong.exit_code == 1
    assert "contact_email: Give an e-mail address" in wrong.output
    assert command(*words, "--contact", "Choir@Example.org", typed=typed).exit_code == 0
    with app.app_context():
        account = accounts.check_login(username="sam", password=PASSWORD)
        assert account is not None
        assert contact_of(account.id) == Contact("The Choir", "choir@example.org")
