"""`flask doctor` on the way to us: BASE_URL, its certificate, https, the proxies in front."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from tests.operations.front import Answer, Headers, careless, direct, front, replacing
from tests.support.mail import make_certificate, scripted_server, silent_server
from tests.support.servers import free_port
from webapp.identity import ANSWER, ASK, answer, facts_of, is_ours, question
from webapp.operations import reaching
from webapp.operations.findings import State
from webapp.operations.reaching import check_reaching

Set = Callable[..., None]
KEY = "a key that only tests use"


@pytest.fixture
def set_to(app: Flask) -> Set:
    """Give the application other settings: `set_to(base_url="http://127.0.0.1:1")`."""

    def set_to(**values: object) -> None:
        known = app.extensions["settings"]
        app.extensions["settings"] = replace(known, **values)

    return set_to


def lines(app: Flask, state: State) -> list[str]:
    with app.app_context():
        return [str(one.sentences[0]) for one in check_reaching() if one.state is state]


def to_fix(app: Flask) -> str:
    [line] = lines(app, State.FIX)
    return line


def test_address_that_leads_to_us_is_well(app: Flask, set_to: Set) -> None:
    with front(app) as port:
        set_to(base_url=f"http://127.0.0.1:{port}")
        assert not lines(app, State.FIX)
        assert "only from this machine" in lines(app, State.NOTE)[0]
        [line] = lines(app, State.OK)
        assert line == "TRUSTED_PROXIES: it is 0, which fits how requests arrive."


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((301, {"Location": "https://tickets.example.org/healthz?x"}, b""),
         "leads on to https://tickets.example.org. If that is us, set BASE_URL to it."),
        ((502, {}, b"Bad Gateway"), "a proxy answers at"),
        ((200, {}, b'{"status": "ok"}'), "with another SECRET_KEY"),
        ((200, {ANSWER: "made up {}"}, b""), "somebody else than Nextup answers at"),
        ((404, {}, b"<h1>Welcome to nginx"), "somebody else than Nextup answers at"),
    ],
)  # fmt: skip
def test_somebody_else_at_the_address_is_told_apart(
    app: Flask, set_to: Set, given: Answer, sentence: str
) -> None:
    with front(app, answer=given) as port:
        set_to(base_url=f"http://127.0.0.1:{port}")
        assert sentence in to_fix(app)


def test_another_installation_does_not_pass_for_us(app: Flask, set_to: Set) -> None:
    with front(app) as port:
        set_to(base_url=f"http://127.0.0.1:{port}", secret_key="the key of somebody else")
        assert "another Nextup answers at" in to_fix(app)


def test_nobody_at_the_address_is_told_with_what_runs_here(app: Flask, set_to: Set) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    set_to(base_url=nobody, port=free_port())
    assert "Nextup does not run" in to_fix(app)
    with front(app) as port:
        set_to(port=port)
        assert f"while Nextup runs at http://127.0.0.1:{port}" in to_fix(app)


def test_dead_and_strange_hosts_are_told_in_bounded_time(
    app: Flask, set_to: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "SECONDS", 0.3)
    began = time.monotonic()
    with silent_server() as port:
        set_to(base_url=f"http://127.0.0.1:{port}")
        assert "does not answer within" in to_fix(app)
    assert time.monotonic() - began < 20
    with scripted_server() as port:
        set_to(base_url=f"http://127.0.0.1:{port}")
        assert "is no web server" in to_fix(app)
    set_to(base_url="https://nowhere.invalid")
    assert "the name nowhere.invalid is not found" in to_fix(app)


def test_certificate_is_judged_as_browsers_do(
    app: Flask, set_to: Set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {
        "good": {"ends_in_days": 90},
        "ends soon": {"ends_in_days": 3},
        "expired": {"ends_in_days": -1},
        "other": {"host": "other.example.org", "address": "192.0.2.1"},
    }
    told = {}
    for name, options in made.items():
        (tmp_path / name).mkdir()
        certificate = make_certificate(tmp_path / name, **options)  # type: ignore[arg-type]
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        with front(app, certificate=certificate) as port:
            set_to(base_url=f"https://127.0.0.1:{port}")
            told[name] = [*lines(app, State.FIX), *lines(app, State.OK)][0]
            if name == "good":
                monkeypatch.delenv("SSL_CERT_FILE")
                told["unknown"] = to_fix(app)
    with front(app) as port:
        set_to(base_url=f"https://127.0.0.1:{port}")
        told["plain"] = to_fix(app)
    assert "is good until" in told["good"]
    assert "See to its renewal" in told["ends soon"]
    assert "has expired" in told["expired"]
    assert "is not for the name 127.0.0.1" in told["other"]
    assert "browsers do not believe" in told["unknown"]
    assert "does not speak TLS" in told["plain"]


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("https://tickets.example.org", None),
        ("http://127.0.0.1:3000", None),
        ("http://192.168.7.7", State.NOTE),
        ("http://tickets.local", State.NOTE),
        ("http://tickets", State.NOTE),
        ("http://tickets.example.org", State.FIX),
        ("http://8.8.8.8", State.FIX),
    ],
)
def test_https_is_asked_for_where_strangers_come(url: str, state: State | None) -> None:
    assert [one.state for one in reaching._without_tls(url)] == ([state] if state else [])


@pytest.mark.parametrize(
    ("trusted", "way", "sentence"),
    [
        ("0", direct, ""),
        ("0", replacing, "all visitors count as one. If nobody can reach Nextup past them, set it"),
        ("1", replacing, ""),
        ("2", replacing, "a visitor can make up an address that is believed"),
        ("1", direct, "a visitor can make up an address that is believed"),
        ("1", lambda headers: {"X-Forwarded-For": "203.0.113.9", **direct(headers)},
         "a visitor can make up an address that is believed"),
        ("1", careless, "The proxy passes on header names with underscores"),
        ("1", lambda headers: {**replacing(headers), "X-Forwarded-For": "203.0.113.9, 192.0.2.1"},
         "wrote 2 addresses"),
    ],
)  # fmt: skip
def test_proxies_are_counted_as_requests_arrive(
    make_app: Callable[..., Flask],
    trusted: str,
    way: Callable[[Headers], Headers],
    sentence: str,
) -> None:
    app = make_app(TRUSTED_PROXIES=trusted) if trusted != "0" else make_app()
    with front(app, way=way) as port:
        settings = app.extensions["settings"]
        app.extensions["settings"] = replace(settings, base_url=f"http://127.0.0.1:{port}")
        found = lines(app, State.FIX)
        assert len(found) == bool(sentence), found
        assert not sentence or sentence in found[0]


def test_proxy_that_visitors_come_through_is_told_though_the_doctor_does_not(
    app: Flask, set_to: Set
) -> None:
    lookout = app.extensions["proxy_lookout"]
    with front(app) as port:
        set_to(base_url=f"http://127.0.0.1:{port}")
        lookout.has_found_one = True
        try:
            assert "visitors come through a proxy" in to_fix(app)
        finally:
            lookout.has_found_one = False


def test_server_that_is_older_than_its_files_is_told(
    app: Flask, set_to: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.web.health.STARTED", 1.0)
    with front(app) as port:
        set_to(base_url=f"http://127.0.0.1:{port}")
        assert "older than its files" in to_fix(app)


def test_only_who_has_the_key_is_answered_and_can_answer(app: Flask) -> None:
    client = app.test_client()
    asked = question(KEY)
    assert ANSWER in client.get("/healthz", headers={ASK: asked}).headers
    for wrong in ("", "x", "é", asked[:-1], asked.replace(".", ""), "a" * 9999, question("other")):
        assert ANSWER not in client.get("/healthz", headers={ASK: wrong}).headers
    told = answer(asked, KEY, {"client": "::1"})
    assert facts_of(told, asked, KEY) == {"client": "::1"}
    for another in (question(KEY), asked + " "):
        assert facts_of(told, another, KEY) is None
    assert facts_of(told.replace("::1", "::2"), asked, KEY) is None
    assert not is_ours(told, KEY), "an answer asks nothing"
