"""What is quicker than Flask, Jinja and itsdangerous never differs from what they would answer."""

import gc
import tracemalloc
from typing import Any

import pytest
from flask import Blueprint, Flask, request, url_for
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadSignature, URLSafeTimedSerializer
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from werkzeug.routing import BuildError

from webapp.web import fast_flask
from webapp.web.fast_flask import (
    FastFlask,
    LateRule,
    SharedGlobalsEnvironment,
    of_csrf_tokens,
    of_sessions,
)


def view(**_: object) -> str:
    return ""


def with_views(app: Flask) -> Flask:
    """Two blueprints with views of the same names; one of them is elsewhere for a form."""
    for name in ("one", "other"):
        bp = Blueprint(name, name, url_prefix=f"/{name}")
        bp.add_url_rule("/list", "list", view)
        bp.add_url_rule("/item/<int:number>", "item", view)
        bp.add_url_rule("/read", "both", view, methods=["GET"])
        bp.add_url_rule("/write", "both", view, methods=["POST"])
        app.register_blueprint(bp)
    return app


@pytest.fixture
def ours() -> Flask:
    return with_views(FastFlask("ours"))


@pytest.fixture
def plain() -> Flask:
    return with_views(Flask("plain"))


REQUESTS: list[dict[str, Any]] = [
    {"path": "/one/list"},
    {"path": "/other/list"},
    {"path": "/nothing"},
    {"path": "/one/write", "method": "POST"},
    {"path": "/one/read", "method": "HEAD"},
    {"path": "/one/read", "method": "PUT"},
    {"path": "/one/list", "base_url": "http://localhost/tickets"},
    {"path": "/one/list", "base_url": "http://localhost/other"},
    {"path": "/one/list", "base_url": "https://evil.example"},
]
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("one.list", {}),
    (".list", {}),
    ("one.both", {}),
    ("one.both", {"_method": "POST"}),
    ("one.list", {"_external": True}),
    ("one.list", {"_external": False}),
    ("one.list", {"_anchor": "top"}),
    ("one.list", {"_external": True, "_scheme": "https"}),
    ("one.item", {"number": 1}),
    ("one.item", {"number": "1"}),
    ("one.list", {"number": 1}),
    ("one.list", {"number": True}),
    ("one.list", {"number": 1.0}),
    ("one.list", {"number": None}),
    ("one.list", {"tag": ["a", "b"]}),
    ("one.list", {"a": 1, "b": 2}),
    ("one.list", {"b": 2, "a": 1}),
    ("one.list", {"search": "a/b?c=d&e ü"}),
    ("static", {"filename": "a.css", "v": "1"}),
]


def answers(app: Flask, function: bool, endpoint: str, values: dict[str, Any]) -> list[str]:
    """The address in each kind of request, one after the other and then all of them again."""
    found = []
    for how in (*REQUESTS, *REQUESTS):
        with app.test_request_context(**how):
            try:
                found.append((url_for if function else app.url_for)(endpoint, **values))
            except BuildError:
                found.append("none")
    return found


@pytest.mark.parametrize("function", [False, True], ids=["method", "function"])
@pytest.mark.parametrize(("endpoint", "values"), ASKED, ids=str)
def test_address_is_the_one_that_flask_would_give(
    ours: Flask, plain: Flask, function: bool, endpoint: str, values: dict[str, Any]
) -> None:
    assert answers(ours, function, endpoint, values) == answers(plain, function, endpoint, values)


@pytest.mark.parametrize("first", [1, "1", True, 1.0], ids=repr)
def test_values_that_are_equal_are_not_the_same(ours: Flask, first: object) -> None:
    with ours.test_request_context():
        for value in (first, 1, "1", True, 1.0):
            assert ours.url_for("one.list", value=value) == f"/one/list?value={value}"


def test_two_applications_keep_their_own_addresses() -> None:
    def with_path(path: str) -> Flask:
        app = FastFlask("ours")
        app.add_url_rule(path, "list", view)
        return app

    first, second = with_path("/a"), with_path("/b")
    for app, path in ((first, "/a"), (second, "/b"), (first, "/a")):
        with app.test_request_context():
            assert app.url_for("list") == path


def test_no_more_is_kept_than_fits(
    ours: FastFlask, plain: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_flask, "KEPT_PATHS", 10)
    for app in (ours, plain):
        with app.test_request_context():
            for word in [*range(50), *range(50)]:
                assert app.url_for("one.list", search=word) == f"/one/list?search={word}"
    assert len(ours._kept_paths) <= 10


def test_methods_that_strangers_make_up_are_not_kept(ours: Flask) -> None:
    tracemalloc.start()
    try:
        for number in range(100):
            with ours.test_request_context(method=f"{number:050000}"):
                assert ours.url_for("one.list") == "/one/list"
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000, "a hundred of them are 5 MB"


def test_default_that_a_request_sets_counts_in_each_request(ours: Flask) -> None:
    @ours.url_defaults
    def add_language(endpoint: str, values: dict[str, Any]) -> None:
        values["language"] = request.args["language"]

    for language in ("en", "de"):
        with ours.test_request_context(query_string={"language": language}):
            assert ours.url_for("one.list") == f"/one/list?language={language}"


@pytest.mark.parametrize("append_unknown", [True, False])
def test_address_is_the_same_each_time_and_after_a_rule_was_bound_again(
    ours: Flask, plain: Flask, append_unknown: bool
) -> None:
    [rule], [other] = (list(app.url_map.iter_rules("one.item")) for app in (ours, plain))
    assert isinstance(rule, LateRule)
    for number in (1, 2, 3):
        values = {"number": number, "self": "a&b"}
        assert rule.build(values, append_unknown) == other.build(values, append_unknown)
        if number == 2:
            rule.refresh()
            other.refresh()


def test_address_that_cannot_be_made_is_an_error_each_time(ours: Flask) -> None:
    with ours.test_request_context():
        for _ in range(2):
            with pytest.raises(BuildError):
                ours.url_for("one.item")
            with pytest.raises(BuildError):
                ours.url_for("nowhere")


def test_address_outside_a_request_names_the_host(ours: Flask) -> None:
    ours.config.update(SERVER_NAME="tickets.example.org")
    with ours.test_request_context():
        assert ours.url_for("one.list") == "/one/list"
    with ours.app_context():
        assert ours.url_for("one.list") == "http://tickets.example.org/one/list"


def test_templates_call_whatever_jinja_lets_them_call(ours: Flask, plain: Flask) -> None:
    class Words:
        def said(self, word: str, *, twice: bool = False) -> str:
            return word * (1 + twice)

        def __call__(self) -> str:
            return "called"

        @pass_context
        def known(self, context: Context) -> str:
            return str(context["known"])

    @pass_context
    def seen(context: Context, name: str) -> str:
        return str(context[name])

    source = """
    {% macro framed(text, mark="*") %}
    {{ mark }}{{ text }}{{ caller(text) if caller }}{{ kwargs }}
    {% endmacro %}
    {% set known = "set" %}
    {% block main %}
    {{ framed("<b>") }}{{ framed("a", mark="-", more=1) }}
    {% autoescape false %}{{ framed("<b>") is escaped }}{% endautoescape %}
    {% call(text) framed("b") %}{{ text | upper }}{% endcall %}
    {{ words.said("c", twice=true) }} {{ words() }} {{ words.known() }} {{ seen("known") }}
    {{ "d".upper() }}
    {% for each in [1, 2] %}
    {% set now = each %}{{ seen("now") }}{{ loop.cycle("odd", "even") }}{{ framed(each) }}
    {% endfor %}
    {{ range(3) | list }} {{ dict(e=1) }} {{ namespace(f=2).f }} {{ lipsum is callable }}
    {% endblock %}
    {{ self.main() }}"""
    shown = []
    for app in (ours, plain):
        template = app.jinja_env.from_string(source)
        shown.append(template.render(known="given", words=Words(), seen=seen))
    assert shown[0] == shown[1]


def test_sessions_and_tokens_are_signed_as_flask_signs_them() -> None:
    key, app = "a key that only tests use", Flask(__name__)
    app.secret_key = key
    theirs = SecureCookieSessionInterface().get_signing_serializer(app)
    session = {"csrf_token": "a" * 40, "_flashes": [("message", "It is booked.")]}
    tokens = URLSafeTimedSerializer(key, salt="wtf-csrf-token")
    for ours, other, value in (
        (of_sessions(key), theirs, session),
        (of_csrf_tokens(key), tokens, "a" * 40),
    ):
        assert other is not None
        assert other.loads(ours.dumps(value)) == value
        assert ours.loads(other.dumps(value)) == value
        with pytest.raises(BadSignature):
            ours.loads(other.dumps(value)[:-2] + "xx")
        with pytest.raises(BadSignature):
            ours.loads(type(ours)("another key", salt=ours.salt).dumps(value))


@pytest.mark.parametrize("value", ["<b> & '\"", Markup("<b>"), 7, None, 1.5, ["<i>"]])
def test_what_is_shown_is_escaped_as_jinja_does(value: object) -> None:
    template = SharedGlobalsEnvironment(Flask(__name__), autoescape=True).from_string(
        "{% macro echo(x) %}{{ x }}{% endmacro %}{{ value }}{{ echo(value) }}{{ missing }}"
    )
    assert template.render(value=value) == str(escape(value)) * 2
