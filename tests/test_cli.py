"""What an operator does at the command line with organizers and their tokens."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask

from webapp import clock
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


def test_tokens_are_listed_with_their_id_and_without_their_secret(
    command: Command, make_token: Callable[[str], str], works: Callable[[str], bool]
) -> None:
    assert command("token", "list", "olga").output == "Organizer olga has no API tokens.\n"
    secrets = [make_token(name) for name in ("till", "gate", "till")]
    assert works(secrets[1])
    listed = command("token", "list", "olga")
    assert listed.exit_code == 0
    today = f"{clock.now():%Y-%m-%d}"
    assert [line.split("  ", 1)[1].split("  ") for line in listed.output.splitlines()] == [
        ["manage", f"made {today}", used, "no end", name]
        for used, name in (
            ("never used", "till"),
            (f"used {today}", "gate"),
            ("never used", "till"),
        )
    ]
    assert not any(secret[7:] in listed.output for secret in secrets)


def test_token_works_until_it_is_revoked_by_its_id(
    command: Command, make_token: Callable[[str], str], works: Callable[[str], bool]
) -> None:
    tokens = [make_token(name) for name in ("till", "gate", "till")]
    ids = [line.split()[0] for line in command("token", "list", "olga").output.splitlines()]
    revoked = command("token", "revoke", ids[0])
    assert (revoked.exit_code, revoked.output) == (0, "The token till is revoked.\n")
    assert [works(token) for token in tokens] == [False, True, True]
    again = command("token", "revoke", ids[0])
    assert again.exit_code == 1
    assert "There is no such token, or not any more." in again.output


def test_token_is_made_with_a_level_and_an_end(command: Command, olga: str) -> None:
    made = command("token", "create", olga, "--name", "till", "--level", "read", "--days", "2")
    assert made.exit_code == 0
    listed = command("token", "list", olga).output
    assert "  read    made " in listed
    assert f"until {clock.now() + timedelta(days=2):%Y-%m-%d}" in listed
    for wrong in (("--level", "all"), ("--days", "0"), ("--days", "soon")):
        assert command("token", "create", olga, "--name", "till", *wrong).exit_code != 0


def test_operator_sees_who_there_is_and_signs_somebody_out(
    app: Flask, command: Command, olga: str
) -> None:
    assert command("organizer", "list").output == "olga  no address  not logged in\n"
    client = app.test_client()
    page = client.get("/login").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"csrf_token": token, "username": olga, "password": PASSWORD}
    assert client.post("/login", data=form).status_code == 303
    assert client.get("/organizer").status_code == 200
    assert f"last seen {clock.now():%Y-%m-%d}" in command("organizer", "list").output
    assert command("organizer", "sign-out", olga).output == "1 sign-in is ended.\n"
    assert client.get("/organizer").status_code == 303
    assert command("organizer", "sign-out", olga).output == "0 sign-ins are ended.\n"


@pytest.mark.parametrize(
    "words",
    [
        ("token", "list", "nobody"),
        ("organizer", "sign-out", "nobody"),
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
