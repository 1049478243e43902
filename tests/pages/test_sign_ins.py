"""Where an organizer is logged in: each sign-in ends on the server, whoever has its cookie."""

import time
from datetime import timedelta

import pytest
from flask import Flask

from tests.pages.conftest import PASSWORD, Person
from tests.support.fixtures import Clock
from tests.support.tools import rows
from webapp.accounts import services as accounts

SESSION = "nextup"


def copy_of(person: Person) -> Person:
    """Somebody with the same session cookie."""
    cookie = person.client.get_cookie(SESSION)
    assert cookie is not None
    copy = Person(person.app)
    copy.client.set_cookie(SESSION, cookie.value)
    return copy


def is_logged_in(person: Person) -> bool:
    return person.get("/organizer").status_code == 200


def last_seen(app: Flask) -> str:
    with app.app_context():
        [[moment]] = rows("SELECT last_seen_at FROM login")
    return str(moment)


@pytest.mark.every_database
def test_copied_cookie_is_dead_after_log_out(app: Flask, owner: Person) -> None:
    copy, elsewhere = copy_of(owner), Person(app)
    elsewhere.log_in()
    assert is_logged_in(copy)
    owner.submit("/organizer", "/logout")
    assert not is_logged_in(copy)
    assert "Log out" not in copy.get("/").text
    # Another device of theirs is another sign-in.
    assert is_logged_in(elsewhere)


def test_who_logs_in_again_leaves_no_sign_in_behind(app: Flask, owner: Person) -> None:
    copy = copy_of(owner)
    page = owner.client.get("/organizer")
    token = page.text.partition('csrf_token" value="')[2].partition('"')[0]
    data = {"csrf_token": token, "username": "owner", "password": PASSWORD}
    assert owner.client.post("/login", data=data).status_code == 303
    assert is_logged_in(owner)
    assert not is_logged_in(copy)


@pytest.mark.every_database
def test_new_password_ends_every_sign_in_of_that_organizer(app: Flask, owner: Person) -> None:
    with app.app_context():
        accounts.create_organizer(username="eve", password=PASSWORD)
    eve, phone = Person(app), Person(app)
    eve.log_in("eve")
    phone.log_in()
    changed = app.test_cli_runner().invoke(
        args=["organizer", "password", "owner", "--password-stdin"], input="another password\n"
    )
    assert changed.exit_code == 0
    assert [is_logged_in(one) for one in (owner, phone, eve)] == [False, False, True]
    with app.app_context():
        assert len(rows("SELECT * FROM login")) == 1


def test_cookie_cannot_be_made_of_what_is_in_the_database(app: Flask, owner: Person) -> None:
    with owner.client.session_transaction() as session:
        kept = [str(value) for value in session.values()]
    with app.app_context():
        [row] = rows("SELECT * FROM login")
    assert not any(value in map(str, row) for value in kept)
    for known in row:
        thief = Person(app)
        with thief.client.session_transaction() as session:
            session["login"] = known if isinstance(known, int) else str(known)
        assert not is_logged_in(thief)


@pytest.mark.parametrize(
    "left", [[1, 1], 1, "x", "", None, "\ud83d\ude00", "\N{HEAVY CHECK MARK}", "x" * 1000, {}]
)
def test_session_of_another_kind_is_nobodys(app: Flask, owner: Person, left: object) -> None:
    """Such as one of the release before, which held the id of an account."""
    for name in ("login", "account"):
        stranger = Person(app)
        with stranger.client.session_transaction() as session:
            session[name] = left
        assert not is_logged_in(stranger)
    assert is_logged_in(owner)


def test_device_is_told_in_words(app: Flask, owner: Person) -> None:
    devices = {
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0": "Edge, Windows",
        "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/142.0.0.0 Mobile Safari/537.36": "Chrome, Android",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML,"
        " like Gecko) Version/18.1 Mobile/15E148 Safari/604.1": "Safari, iPhone",
        "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0": "Firefox, Linux",
        "curl/8.16 \x9b31m": "",
    }
    for number, header in enumerate(devices):
        client = Person(app)
        client.client.environ_base["HTTP_USER_AGENT"] = header
        client.client.environ_base["REMOTE_ADDR"] = f"192.0.2.{number}"
        assert client.log_in().status_code == 303
    with app.app_context():
        told = [row.device for row in rows("SELECT device FROM login ORDER BY id")]
    assert told[1:] == list(devices.values())


def test_last_use_is_noted_every_five_minutes_and_at_the_desk_alone(
    now: Clock, app: Flask, owner: Person, make_event: object
) -> None:
    began = last_seen(app)
    now.go(minutes=4, seconds=59)
    owner.get("/organizer")
    assert last_seen(app) == began
    now.go(seconds=2)
    owner.get("/")
    owner.get("/bookings")
    assert last_seen(app) == began
    owner.get("/organizer")
    noted = last_seen(app)
    assert noted > began
    now.go(minutes=4)
    owner.get("/organizer")
    assert last_seen(app) == noted


@pytest.mark.parametrize(("unused", "lasts"), [(30, True), (31, False)])
def test_sign_in_lasts_until_it_is_not_used_for_thirty_days(
    now: Clock, app: Flask, owner: Person, monkeypatch: pytest.MonkeyPatch, unused: int, lasts: bool
) -> None:
    """Also the cookie, which is signed with a time of its own."""
    began, start = time.time(), now.moment
    passed = timedelta()
    monkeypatch.setattr(
        "itsdangerous.timed.time.time", lambda: began + (now.moment - start).total_seconds()
    )
    for days in (20, 29, 29, unused):
        passed += timedelta(days=days)
        now.moment = start + passed
        found = is_logged_in(owner)
    assert found == lasts
