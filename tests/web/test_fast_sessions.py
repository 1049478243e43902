"""What is signed more quickly is what Flask, Flask-WTF and itsdangerous sign, and they take it."""

import re
import time
from typing import Any

import pytest
from flask import Flask, Response, session
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from flask_wtf.csrf import CSRFProtect, generate_csrf
from itsdangerous import (
    BadSignature,
    SignatureExpired,
    URLSafeSerializer,
    URLSafeTimedSerializer,
)
from markupsafe import Markup

from webapp.web import fast_sessions
from webapp.web.fast_sessions import (
    LazyCSRFProtect,
    LazySessionInterface,
    PlainJSON,
    QuickSerializer,
    of_csrf_tokens,
    of_sessions,
    set_cookie,
)

KEY = "a key that only tests use"
NOON = 1_800_000_000

SESSIONS: list[dict[str, Any]] = [
    {"csrf_token": "a0" * 20},
    {"csrf_token": "a0" * 20, "_flashes": [("message", "It is \u00fcber <booked>.")]},
    {"_flashes": [("message", Markup("<b>"))]},
    {" t": "alone"},
    {" di": ["alone"]},
    {"login": "x", "number": 7, "none": None, "true": True, "bytes": b"b", "in": {" t": [1]}},
    {"text": '{" t":["a"]}', "z": (), "a": [], "tuples": ((1, "b"), [("c",)])},
    {"form": "typed " * 200},
    {},
]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON + 0.5)


def theirs_of_sessions() -> URLSafeTimedSerializer:
    app = Flask(__name__)
    app.secret_key = KEY
    made = SecureCookieSessionInterface().get_signing_serializer(app)
    assert made is not None
    return made


KINDS: list[tuple[Any, Any, list[Any]]] = [
    (of_sessions(KEY), theirs_of_sessions(), SESSIONS),
    (
        of_csrf_tokens(KEY),
        URLSafeTimedSerializer(KEY, salt="wtf-csrf-token"),
        ["a0" * 20, "\u00fc"],
    ),
    (
        QuickSerializer(KEY, salt="kept", serializer=PlainJSON),
        URLSafeSerializer(KEY, salt="kept"),
        [["one"], [], [f"{number:022}" for number in range(20)], {"a": "\u00fc"}],
    ),
]


@pytest.mark.parametrize(("ours", "theirs", "values"), KINDS, ids=["session", "csrf", "kept"])
def test_both_read_what_the_other_signs(ours: Any, theirs: Any, values: list[Any]) -> None:
    app = Flask(__name__)
    with app.app_context():
        for value in values:
            signed, other = ours.dumps(value), theirs.dumps(value)
            assert theirs.loads(signed) == ours.loads(other) == ours.loads(signed) == value
            assert ours.loads(other.encode()) == value
            if not other.startswith("."):
                assert signed == other, "the same bytes where they do not pack it"


@pytest.mark.parametrize(("ours", "theirs", "values"), KINDS, ids=["session", "csrf", "kept"])
def test_nothing_counts_that_was_signed_otherwise(
    ours: Any, theirs: Any, values: list[Any]
) -> None:
    with Flask(__name__).app_context():
        for value in values:
            signed = theirs.dumps(value)
            body, _, signature = signed.rpartition(".")
            other = type(ours)("another key", salt=ours.salt, serializer=ours.serializer)
            for wrong in (
                signed[:-2] + ("xx" if signed[-2:] != "xx" else "yy"),
                f"{body}.",
                f".{signed}",
                f"a{signed}",
                signature,
                body,
                "",
                ".",
                "..",
                "\u00fc.\u00fc",
                other.dumps(value),
                ours.dumps(value, salt="another"),
            ):
                with pytest.raises(BadSignature):
                    ours.loads(wrong)
            assert ours.loads(ours.dumps(value, salt="another"), salt="another") == value


def test_signed_text_ends_when_theirs_does(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = of_csrf_tokens(KEY), URLSafeTimedSerializer(KEY, salt="wtf-csrf-token")
    signed = ours.dumps("a")
    for seconds in (-1, 0, 9, 10, 11):
        monkeypatch.setattr(time, "time", lambda: NOON + seconds)  # noqa: B023
        told = []
        for reads in (ours, theirs):
            try:
                told.append(reads.loads(signed, max_age=10))
            except SignatureExpired as error:
                told.append(str(error))
        assert told[0] == told[1]
    assert ours.loads(signed, return_timestamp=True) == theirs.loads(signed, return_timestamp=True)


@pytest.mark.parametrize(
    "options",
    [
        {"httponly": True, "samesite": "Lax"},
        {"max_age": 60, "secure": True, "httponly": True, "samesite": "Lax"},
        {"expires": None, "domain": "example.org", "path": "/a b", "partitioned": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("value", ["a.b-c_d", "a" * 4000])
@pytest.mark.filterwarnings("ignore:The '__Host-a' cookie is too large")
def test_cookie_is_the_one_that_flask_would_set(options: dict[str, Any], value: str) -> None:
    for _ in range(2):
        ours, theirs = Response(), Response()
        set_cookie(ours, "__Host-a", value, **options)
        theirs.set_cookie("__Host-a", value, **options)
        dates = re.compile("Expires=[^;]*")
        sent = [dates.sub("Expires", one.headers["Set-Cookie"]) for one in (ours, theirs)]
        assert sent[0] == sent[1]


def test_kept_cookie_ends_so_long_after_it_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def dumped(name: str, **options: Any) -> str:
        return f"{name}=; {time.time() + options['max_age']}"

    monkeypatch.setattr(fast_sessions, "dump_cookie", dumped)
    for seconds in (0, 1, 1, 3600):
        monkeypatch.setattr(time, "time", lambda: NOON + seconds)  # noqa: B023
        response = Response()
        set_cookie(response, "a", "b", max_age=60)
        assert response.headers["Set-Cookie"] == f"a=b; {NOON + seconds + 60}"
    fast_sessions._flags.cache_clear()


def with_forms(app: Flask) -> FlaskClient:
    app.secret_key = KEY

    @app.get("/")
    def token() -> str:
        return str(generate_csrf())

    @app.post("/")
    def take() -> str:
        return "taken"

    @app.get("/other")
    def other() -> str:
        session["csrf_token"] = "b" * 40
        return ""

    return app.test_client()


def test_forms_are_refused_where_flask_wtf_refuses_them() -> None:
    quick, plain = Flask("quick"), Flask("plain")
    quick.session_interface = LazySessionInterface()
    told: list[list[tuple[int, str]]] = []
    for app, protect in ((quick, LazyCSRFProtect), (plain, CSRFProtect)):
        app.config["WTF_CSRF_SSL_STRICT"] = False
        protect(app)
        client, answers = with_forms(app), []
        fresh = client.get("/").text
        for fields, headers in (
            ({}, {}),
            ({"csrf_token": ""}, {}),
            ({"csrf_token": "made up"}, {}),
            ({"csrf_token": fresh}, {}),
            ({"a-csrf_token": fresh}, {}),
            ({}, {"X-CSRFToken": fresh}),
            ({"csrf_token": f"{fresh}x"}, {}),
            ({"csrf_token": of_csrf_tokens("another key").dumps("a" * 40)}, {}),
        ):
            answer = client.post("/", data=fields, headers=headers)
            answers.append((answer.status_code, answer.text))
        visitor = app.test_client()
        visitor.get("/other")
        answer = visitor.post("/", data={"csrf_token": fresh})
        answers.append((answer.status_code, answer.text))
        app.config["WTF_CSRF_SSL_STRICT"] = True
        answer = client.post("/", data={"csrf_token": fresh}, base_url="https://localhost")
        answers.append((answer.status_code, answer.text))
        told.append(answers)
    assert told[0] == told[1]
    assert [status for status, _ in told[0]] == [400, 400, 400, 200, 200, 200, *[400] * 4]


def test_flags_of_cookies_are_kept_for_few() -> None:
    for number in range(100):
        set_cookie(Response(), f"name{number}", "b", max_age=60)
    assert fast_sessions._flags.cache_info().currsize <= 16
