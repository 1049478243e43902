"""Who may try how often to log in: one rule and one counter for the form and for Basic."""

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.pages.conftest import PASSWORD, Person, forms_of, text_of
from tests.support.servers import Redis
from tests.support.tools import together
from webapp.accounts import services as accounts
from webapp.web.rate_limits import hashed

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"
FORM, BASIC = "form", "Basic"

MakeApp = Callable[..., Flask]


def attempt(
    person: Person,
    username: str = "owner",
    password: str = "wrong",
    *,
    by: str = FORM,
    network: str = HERE,
) -> TestResponse:
    """Log in from a network, on the page or with a call of the API."""
    address = {"REMOTE_ADDR": network}
    if by == FORM:
        data = {**forms_of(person.get("/login"))["/login"], "username": username}
        data["password"] = password
        return person.client.post("/login", data=data, environ_overrides=address)
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}"}
    return person.client.get("/api/organizer/events", headers=headers, environ_overrides=address)


def fail(app: Flask, times: int = 10, **how: str) -> None:
    """So many wrong passwords of somebody who is not known here."""
    for number in range(times):
        assert attempt(Person(app), password=f"wrong {number}", **how).status_code == 401


@pytest.mark.usefixtures("owner_id")
@pytest.mark.parametrize("ways", [(FORM, FORM), (BASIC, BASIC), (FORM, BASIC), (BASIC, FORM)])
def test_ten_failures_of_a_network_are_the_last_however_they_are_sent(
    app: Flask, ways: tuple[str, str]
) -> None:
    """Whatever names they are for."""
    fail(app, 5, by=ways[0])
    fail(app, 4, by=ways[1], username="somebody else")
    fail(app, 1, by=ways[1], username="a third one")
    for by in ways:
        for password in ("wrong", PASSWORD):
            refused = attempt(Person(app), password=password, by=by)
            assert refused.status_code == 429
            assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert attempt(Person(app), password=PASSWORD, by=BASIC, network=ELSEWHERE).status_code == 200


def test_page_says_when_the_next_try_is_looked_at(app: Flask) -> None:
    fail(app)
    assert "send it again in 15 minutes." in text_of(attempt(Person(app)))


@pytest.mark.usefixtures("owner_id")
def test_failures_of_others_lock_nobody_out(app: Flask) -> None:
    for number in range(12):
        fail(app, by=FORM if number % 2 else BASIC, network=f"203.0.113.{number}")
    assert attempt(Person(app), password=PASSWORD, network=ELSEWHERE).status_code == 303
    assert attempt(Person(app), password=PASSWORD, by=BASIC, network=HERE).status_code == 200


def test_device_that_has_logged_in_before_has_a_budget_of_its_own(
    app: Flask, owner: Person
) -> None:
    owner.submit("/organizer", "/logout")
    fail(app)
    assert attempt(Person(app), password=PASSWORD).status_code == 429
    assert attempt(owner, password=PASSWORD).status_code == 303
    owner.submit("/organizer", "/logout")
    for number in range(10):
        assert attempt(owner, password=f"wrong {number}").status_code == 401
    assert attempt(owner, password=PASSWORD).status_code == 429
    # Which was nobody's but the device's.
    assert attempt(Person(app), password=PASSWORD, network=ELSEWHERE).status_code == 303


@pytest.mark.usefixtures("owner_id")
def test_device_is_known_for_the_account_that_it_logged_in_to(app: Flask) -> None:
    with app.app_context():
        accounts.create_organizer(username="eve", password=PASSWORD)
    eve = Person(app)
    assert attempt(eve, "eve", PASSWORD).status_code == 303
    eve.submit("/organizer", "/logout")
    fail(app)
    assert attempt(eve, "owner", PASSWORD).status_code == 429
    assert attempt(eve, "eve", PASSWORD).status_code == 303


def test_what_a_device_is_known_by_is_no_login_and_cannot_be_made_up(
    app: Flask, owner: Person
) -> None:
    cookie = owner.client.get_cookie("nextup-device")
    assert cookie is not None
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    assert cookie.max_age == 365 * 24 * 60 * 60
    fail(app)
    for value, status in ((cookie.value, 303), (cookie.value[:-2] + "xx", 429), ("x", 429)):
        thief = Person(app)
        thief.client.set_cookie("nextup-device", value)
        assert thief.get("/organizer").location.startswith("/login")
        assert attempt(thief, password=PASSWORD).status_code == status


def test_device_is_known_by_a_cookie_of_this_site_alone(make_app: MakeApp) -> None:
    site = "https://tickets.example.org"
    app = make_app(BASE_URL=site)
    with app.app_context():
        accounts.create_organizer(username="owner", password=PASSWORD)
    client = app.test_client()
    data = forms_of(client.get("/login", base_url=site))["/login"]
    data |= {"username": "owner", "password": PASSWORD}
    answer = client.post("/login", data=data, base_url=site)
    [cookie] = [one for one in answer.headers.getlist("Set-Cookie") if "-device" in one]
    assert cookie.startswith("__Host-nextup-device=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


@pytest.mark.every_database
@pytest.mark.parametrize("by", [FORM, BASIC])
def test_name_is_compared_as_it_is_without_space_around_it(
    app: Flask, owner_id: int, by: str
) -> None:
    """Whoever writes it in other ways has no further budget, and opens no other account."""
    for name in ("OWNER", "öwner", "owner\N{ZERO WIDTH SPACE}", "o" * 64):
        fail(app, 1, by=by, username=name)
    for name in ("owner ", " owner", "owner\t", "owner   ", "owner\N{NO-BREAK SPACE}", "owner"):
        fail(app, 1, by=by, username=name)
    assert attempt(Person(app), "owner  ", PASSWORD, by=by).status_code == 429
    wanted = 303 if by == FORM else 200
    answers = [
        attempt(Person(app), name, PASSWORD, by=by, network=ELSEWHERE).status_code
        for name in (" owner  ", "Owner")
    ]
    assert answers == [wanted, 401]


@pytest.mark.usefixtures("owner_id")
@pytest.mark.parametrize("by", [FORM, BASIC])
def test_exactly_ten_of_many_guesses_at_once_are_looked_at(app: Flask, by: str) -> None:
    guesses = [
        partial(attempt, Person(app), password=f"wrong {number}", by=by) for number in range(30)
    ]
    found = [getattr(answer, "status_code", answer) for answer in together(app, guesses)]
    assert (found.count(401), found.count(429)) == (10, 20)


def test_exactly_ten_are_looked_at_where_processes_count_together(
    make_app: MakeApp, redis_server: Redis
) -> None:
    uri = f"redis://127.0.0.1:{redis_server.port}"
    apps = [make_app(own=True, RATELIMIT_STORAGE_URI=uri) for _ in range(2)]
    with apps[0].app_context():
        accounts.create_organizer(username="owner", password=PASSWORD)
    found: list[object] = []

    def guess(app: Flask, number: int) -> int:
        with app.app_context():
            return attempt(Person(app), password=f"wrong {number}", by=BASIC).status_code

    guesses = [partial(guess, apps[number % 2], number) for number in range(24)]
    found += together(apps[0], guesses)
    assert (found.count(401), found.count(429)) == (10, 14)


@pytest.mark.usefixtures("owner_id")
def test_right_passwords_are_not_counted_also_many_at_once(app: Flask) -> None:
    with app.app_context():
        names = [f"organizer {number}" for number in range(16)]
        for name in names:
            accounts.create_organizer(username=name, password=PASSWORD)
    fail(app, 9)
    calls = [partial(attempt, Person(app), name, PASSWORD) for name in names]
    answers = together(app, calls)
    assert [getattr(answer, "status_code", answer) for answer in answers] == [303] * 16
    assert attempt(Person(app), password="wrong").status_code == 401
    assert attempt(Person(app), password=PASSWORD).status_code == 429


@pytest.mark.usefixtures("owner_id")
def test_login_that_is_remembered_tells_nothing_to_who_guesses(app: Flask) -> None:
    """A call that was right a moment ago is not looked at slowly; whose guess it is, is."""
    assert attempt(Person(app), password=PASSWORD, by=BASIC, network=ELSEWHERE).status_code == 200
    fail(app)
    assert attempt(Person(app), password=PASSWORD, by=BASIC).status_code == 429
    assert attempt(Person(app), password=PASSWORD, by=BASIC, network=ELSEWHERE).status_code == 200


@pytest.mark.parametrize("by", [FORM, BASIC])
def test_password_that_is_typed_as_the_name_is_logged_nowhere(
    make_app: MakeApp, tmp_path: Path, capfd: pytest.CaptureFixture[str], by: str
) -> None:
    log = tmp_path / "passwords.log"
    app = make_app(LOG_FILE=str(log))
    with app.app_context():
        accounts.create_organizer(username="owner", password=PASSWORD)
    fail(app, 5, by=by, username="my-secret-Passw0rd")
    fail(app, 5, by=by, username=" owner ")
    assert attempt(Person(app), "my-secret-Passw0rd", by=by).status_code == 429
    assert "my-secret" not in log.read_text() + capfd.readouterr().err
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = [line for line in lines if line["what"] in ("login refused", "login throttled")]
    assert [line.get("username") for line in told] == [None] * 5 + ["owner"] * 5 + [None]
    assert {line["client"] for line in told} == {HERE}


def test_counters_hold_no_name_that_could_be_guessed(make_app: MakeApp) -> None:
    """It may be a password, and others may read what counts."""
    keys = []
    for secret in ("a key that only tests use", "another key of some length"):
        with make_app(own=True, SECRET_KEY=secret).app_context():
            keys.append(hashed("my-secret-Passw0rd"))
    assert keys[0] != keys[1]
