"""Who may call: passwords, tokens, and how wrong ones are kept out."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.api.conftest import PASSWORD, Api, basic, bearer
from tests.support.servers import wait_until
from webapp.accounts import services as accounts
from webapp.accounts.tokens import create_token, revoke_token, tokens_of
from webapp.web import passwords

BODY = {"eventName": "conference", "totalTickets": 1}


@pytest.fixture
def ada(api: Api) -> Iterator[None]:
    with api.app.app_context():
        accounts.create_organizer(username="ada", password=PASSWORD)
        yield


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names whose passwords were checked slowly."""
    names: list[str] = []
    check = accounts.check_login

    def counted(*, username: str, password: str) -> accounts.Account | None:
        names.append(username)
        return check(username=username, password=password)

    monkeypatch.setattr(accounts, "check_login", counted)
    return names


@pytest.mark.every_database
@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"ada:\0").decode(),
        "Basic " + base64.b64encode(("ä" * 4000 + ":x").encode()).decode(),
        "Bearer",
        "Bearer x",
        "Bearer \xe4",
        "Digest username=ada",
        "nonsense",
    ],
)
def test_wrong_credentials_are_refused_everywhere(api: Api, authorization: str) -> None:
    headers = {"Authorization": authorization}
    for response in (
        api.post("/events/initialize", BODY, headers=headers),
        api.post("/events/book", {"userId": 1, "eventId": 1}, headers=headers),
        api.get("/events", headers=headers),
    ):
        assert (response.status_code, response.get_json()["code"]) == (401, "unauthorized")
        assert "Basic" in response.headers["WWW-Authenticate"]
        assert "Bearer" in response.headers["WWW-Authenticate"]


@pytest.mark.usefixtures("ada")
def test_scheme_may_be_written_in_any_case(api: Api) -> None:
    token = create_token(accounts.id_of("ada"), name="x")
    login = basic("ada")["Authorization"].removeprefix("Basic ")
    for value in (f"basic {login}", f"BASIC {login}", f"bearer {token}"):
        response = api.get("/organizer/events", headers={"Authorization": value})
        assert response.status_code == 200, value


@pytest.mark.usefixtures("ada")
def test_password_is_checked_slowly_once_a_minute(
    api: Api, checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        assert api.get("/organizer/events", headers=basic("ada")).status_code == 200
    assert checks == ["ada"]
    later = time.monotonic() + passwords.REMEMBERED_SECONDS + 1
    monkeypatch.setattr("webapp.web.passwords.time.monotonic", lambda: later)
    assert api.get("/organizer/events", headers=basic("ada")).status_code == 200
    assert checks == ["ada", "ada"]


@pytest.mark.every_database
@pytest.mark.usefixtures("ada")
def test_new_password_voids_the_old_one_at_once(api: Api) -> None:
    assert api.get("/organizer/events", headers=basic("ada")).status_code == 200
    accounts.set_password(accounts.id_of("ada"), password="another password")
    assert api.get("/organizer/events", headers=basic("ada")).status_code == 401
    new = basic("ada", "another password")
    assert api.get("/organizer/events", headers=new).status_code == 200


@pytest.mark.usefixtures("ada")
def test_remembered_login_is_good_for_that_password_alone(api: Api) -> None:
    assert api.get("/organizer/events", headers=basic("ada")).status_code == 200
    for wrong in (PASSWORD + "x", PASSWORD[:-1], PASSWORD.upper(), ""):
        assert api.get("/organizer/events", headers=basic("ada", wrong)).status_code == 401


def test_memory_keeps_no_password_and_is_bounded() -> None:
    logins = passwords.VerifiedLogins()
    account = accounts.Account(1, "ada", 1)
    for number in range(passwords.MOST_REMEMBERED + 10):
        logins.remember(logins.name("ada", f"{PASSWORD}{number}"), account)
    assert len(logins._logins) == passwords.MOST_REMEMBERED
    assert PASSWORD not in repr(logins._logins)
    assert passwords.VerifiedLogins().name("ada", "x") != logins.name("ada", "x")


@pytest.mark.usefixtures("ada")
def test_token_is_good_until_it_is_revoked(api: Api) -> None:
    token = create_token(accounts.id_of("ada"), name="till")
    assert api.get("/organizer/events", headers=bearer(token)).status_code == 200
    [found] = tokens_of(accounts.id_of("ada"))
    revoke_token(found.id)
    assert api.get("/organizer/events", headers=bearer(token)).status_code == 401


@pytest.mark.usefixtures("ada")
def test_one_login_sent_by_many_threads_is_checked_once(api: Api, checks: list[str]) -> None:
    codes: list[int] = []

    def call() -> None:
        client = api.app.test_client()
        codes.append(client.get("/api/organizer/events", headers=basic("ada")).status_code)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 16
    assert len(checks) == 1


def test_refused_login_is_logged_without_the_password(
    make_api: Callable[..., Api], tmp_path: Path
) -> None:
    log = tmp_path / "api.log"
    api = make_api(LOG_FILE=str(log))
    api.organizer("mallory")
    response = api.get("/events", headers=basic("mallory", "guessed-secret"))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    refused = next(line for line in lines if line["what"] == "login refused")
    assert refused["username"] == "mallory"
    assert refused["client"] == "127.0.0.1"
    assert refused["request_id"] == response.headers["X-Request-ID"]
    assert "guessed-secret" not in log.read_text()


def test_foreign_event_is_not_found_on_every_route(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer, status="draft")
    other = api.organizer("eve")
    calls = [
        api.get(f"/events/{event_id}", headers=other),
        api.get(f"/events/{event_id}/bookings", headers=other),
        api.get(f"/events/{event_id}/waiting", headers=other),
        api.patch(f"/events/{event_id}", {"totalTickets": 5}, headers=other),
        *(
            api.post(f"/events/{event_id}/{verb}", headers=other)
            for verb in ("publish", "unpublish", "cancel")
        ),
    ]
    assert {r.get_json()["code"] for r in calls} == {"event_not_found"}
    assert api.get("/organizer/events", headers=other).get_json()["events"] == []


def test_organizers_calls_need_credentials(api: Api, organizer: dict[str, str]) -> None:
    event_id = api.event(organizer)
    calls = [
        api.get("/organizer/events"),
        api.get(f"/events/{event_id}/bookings"),
        api.get(f"/events/{event_id}/waiting"),
        api.patch(f"/events/{event_id}", {"totalTickets": 5}),
        *(api.post(f"/events/{event_id}/{verb}") for verb in ("publish", "unpublish", "cancel")),
    ]
    assert [response.status_code for response in calls] == [401] * len(calls)


@pytest.mark.usefixtures("ada")
def test_client_waits_for_its_own_guesses_alone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one network tries is looked at in turn; others neither wait for it nor pay for it."""

    def ask(client: str, password: str = "wrong") -> int:
        address = {"REMOTE_ADDR": client}
        headers = basic("ada", password)
        return api.get("/events", headers=headers, environ_overrides=address).status_code

    assert [ask("192.0.2.1", f"wrong {number}") for number in range(10)] == [401] * 10
    checking, go_on = threading.Event(), threading.Event()
    check, looked_at = accounts.check_login, []

    def held(*, username: str, password: str) -> accounts.Account | None:
        looked_at.append(password)
        if password == "held":
            checking.set()
            assert go_on.wait(10)
        return check(username=username, password=password)

    monkeypatch.setattr(accounts, "check_login", held)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, "192.0.2.2", "held")
        assert checking.wait(10)
        same = [pool.submit(ask, "192.0.2.2", "wrong") for _ in range(2)]
        with api.app.app_context():
            queues = passwords._checks.own._queues
            assert wait_until(lambda: any(len(q) == 2 for q in list(queues.values())), timeout=10)
        assert ask("192.0.2.1") == 429
        assert ask("192.0.2.3") == 401
        go_on.set()
        assert [future.result(10) for future in (first, *same)] == [401, 401, 401]
    # The same guess twice is one.
    assert looked_at == ["held", "wrong", "wrong"]
