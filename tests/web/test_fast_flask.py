"""What is quicker than Flask and Jinja never differs from what they would answer."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, request, url_for
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from werkzeug.exceptions import BadRequest
from werkzeug.routing import BuildError
from werkzeug.test import EnvironBuilder

from webapp.web import fast_flask
from webapp.web.fast_flask import FastFlask, FastResponse, LateRule, SharedGlobalsEnvironment


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


FORM = "application/x-www-form-urlencoded"
SENT: list[dict[str, Any]] = [
    {},
    {
        "path": "/a/b%20c/\u00fc",
        "query_string": "a=\u00fc&b=%ff",
        "base_url": "http://localhost/\u00e4/",
    },
    {"headers": {"Host": "TICKETS.example.org:80"}},
    {"headers": {"Host": "tickets.example.org:443"}},
    {"headers": {"Host": "tickets.example.org:443"}, "base_url": "https://localhost"},
    {"headers": {"Host": "[::1]:5000"}},
    {"headers": {"Host": "a b"}},
    {"headers": {"Host": ""}},
    {"headers": {"Host": "a" * 70}},
    {"headers": {"Host": f"{'a' * 64}"}},
    {"headers": {"Host": "tickets..example.org"}},
    {"headers": {"Connection": "Upgrade", "Upgrade": "websocket"}},
    {"headers": {"Cookie": 'a=1; a=2;b="x\\073y"; ; c; d=\u00fc'}},
    {"method": "POST", "data": "a=1&a=2&b=&c=%ff+%20&d", "content_type": FORM},
    {"method": "POST", "data": "a=\u00fc".encode("latin1"), "content_type": FORM},
    {"method": "POST", "data": "a=1", "content_type": f"{FORM}; charset=latin1"},
    {"method": "POST", "data": "a=1", "content_type": "text/plain"},
    {"method": "POST", "data": f"a={'b' * 70_000}", "content_type": FORM},
    {
        "method": "POST",
        "data": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
        "content_type": "multipart/form-data; boundary=x",
    },
]


def seen(app: Flask, how: dict[str, Any]) -> tuple[Any, ...]:
    """What a request says, and where it would lead."""
    with app.test_request_context(**how) as context:
        urls = context.url_adapter
        read = context.request
        mounted = {name: getattr(urls, name, None) for name in URL_PARTS}
        error = repr(read.routing_exception)
        return mounted, error, read.host, read.cookies, read.form, read.files.keys(), read.data


URL_PARTS = (
    "server_name",
    "script_name",
    "subdomain",
    "url_scheme",
    "path_info",
    "default_method",
    "query_args",
    "websocket",
)


@pytest.mark.parametrize("how", SENT, ids=str)
def test_request_says_what_flask_reads_in_it(
    ours: Flask, plain: Flask, how: dict[str, Any]
) -> None:
    assert seen(ours, how) == seen(plain, how)


def leads_to(app: Flask, path: str, **how: Any) -> tuple[Any, ...]:
    with app.test_request_context(path, **how) as context:
        read = context.request
        error = read.routing_exception
        told = (error.code, getattr(error, "new_url", "")) if error else ()
        arguments, read.view_args = read.view_args, {"of": "somebody else"}
        return read.endpoint, arguments, told


def test_path_leads_where_flask_leads_it_however_often_it_is_asked() -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/events/7", {}),
        ("/events/7", {"method": "POST"}),
        ("/events/7", {"method": "HEAD"}),
        ("/events/7", {"method": "PUT"}),
        ("/events/7", {"headers": {"Connection": "Upgrade", "Upgrade": "websocket"}}),
        ("/events/7-a%20b", {}),
        ("/events//7", {}),
        ("//events/7", {}),
        ("/events/7/", {}),
        ("/events/x", {}),
        ("/events/7", {"base_url": "http://localhost/below"}),
        ("/folder", {}),
        ("/folder/", {}),
        ("/bookings/secret", {}),
        ("", {}),
    ]
    kept = []
    for app in (FastFlask("ours"), Flask("plain")):
        app.add_url_rule("/events/<int:event_id>", "event", view, defaults={"slug": ""})
        app.add_url_rule("/events/<int:event_id>-<slug>", "event", view)
        app.add_url_rule("/events/<int:event_id>", "book", view, methods=["POST"])
        app.add_url_rule("/bookings/<reference>", "booking", view)
        app.add_url_rule("/folder/", "folder", view)
        kept.append([leads_to(app, path, **how) for path, how in (*asked, *asked)])
    assert kept[0] == kept[1]
    assert kept[0][0] == ("event", {"event_id": 7, "slug": ""}, ())


def test_paths_with_a_reference_are_not_kept(
    ours: FastFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_flask, "KEPT_PATHS", 10)
    ours.add_url_rule("/bookings/<reference>", "booking", view)
    ours.add_url_rule("/events/<int:event_id>-<slug>", "event", view)
    for number in range(1, 26):
        for path in (f"/bookings/secret{number}", f"/events/{number}-{'a' * number * 10}"):
            assert leads_to(ours, path)[1]
    assert "secret" not in str(ours._kept_routes)
    assert 0 < len(ours._kept_routes) <= 10
    assert "a" * 200 not in str(ours._kept_routes)


def test_form_that_broke_off_is_an_error(ours: Flask, plain: Flask) -> None:
    for app in (ours, plain):
        sent = {"method": "POST", "data": "a=1", "content_type": FORM}
        context = app.test_request_context(**sent, environ_overrides={"CONTENT_LENGTH": "9"})
        with context, pytest.raises(BadRequest):
            request.form.get("a")


ANSWERS: list[Callable[[type[Response]], Response]] = [
    lambda made: made("whole"),
    lambda made: made("whole", headers={"Location": "/bookings/a-b_c.d~"}),
    lambda made: made("whole", headers={"Location": "/\u00fc?a=\u00fc b#c"}),
    lambda made: made("whole", headers={"Location": "//example.org/a"}),
    lambda made: made("whole", headers={"Content-Location": "/\u00fc"}),
    lambda made: made("whole", status=204),
    lambda made: made("whole", status=304),
    lambda made: made(iter(["bit", "by", "bit"])),
    lambda made: made(["in ", "parts"]),
]


@pytest.mark.parametrize("make", ANSWERS)
def test_headers_are_those_that_flask_sends(
    make: Callable[[type[Response]], Response],
) -> None:
    environ = EnvironBuilder().get_environ()
    answers = [make(made).get_wsgi_response(environ) for made in (FastResponse, Response)]
    assert answers[0][1:] == answers[1][1:]
    assert b"".join(answers[0][0]) == b"".join(answers[1][0])


@pytest.mark.parametrize("value", ["<b> & '\"", Markup("<b>"), 7, None, 1.5, ["<i>"]])
def test_what_is_shown_is_escaped_as_jinja_does(value: object) -> None:
    template = SharedGlobalsEnvironment(Flask(__name__), autoescape=True).from_string(
        "{% macro echo(x) %}{{ x }}{% endmacro %}{{ value }}{{ echo(value) }}{{ missing }}"
    )
    assert template.render(value=value) == str(escape(value)) * 2
