"""What holds for every page: tokens, ownership, headers. Walks the whole map of routes."""

import re
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tests.pages.conftest import PASSWORD, Person, forms_of, text_of
from webapp.accounts import services as accounts
from webapp.web import security

MakeEvent = Callable[..., int]
Book = Callable[..., str]
GiveType = Callable[[int], None]
PAGES = ("attendee", "find", "keep", "organizer", "auth")


def page_rules(app: Flask, method: str) -> list[Rule]:
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.split(".")[0] in PAGES and method in (rule.methods or set())
    ]
    assert len(rules) > 10 if method == "GET" else len(rules) >= 10
    return rules


def path_of(app: Flask, rule: Rule, **values: object) -> str:
    known = {name: values[name] for name in rule.arguments}
    with app.test_request_context():
        return str(app.url_map.bind("").build(rule.endpoint, known, method="GET"))


def test_every_form_needs_its_token(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book, give_type: GiveType
) -> None:
    event_id = make_event()
    give_type(event_id)
    values = {
        "event_id": event_id,
        "position": 1,
        "delivery_id": 1,
        "token_id": 1,
        "pass_id": 1,
        "number": 1,
        "reference": book(event_id, "Ada"),
        "slug": "x",
    }
    history = text_of(owner.get(f"/organizer/events/{event_id}/history"))
    for rule in page_rules(app, "POST"):
        path = app.url_map.bind("").build(
            rule.endpoint, {name: values[name] for name in rule.arguments}, method="POST"
        )
        data = {"name": "Kept", "eventName": "Kept", "email": "kept@example.org", "tickets": "2"}
        answer = owner.client.post(path, data={**data, "csrf_token": "wrong"})
        if answer.status_code == 400:
            assert "This page was open for too long." in text_of(answer), rule
        else:
            assert answer.status_code == 303, rule
            assert rule.endpoint.startswith("auth."), "the login page moves on who is logged in"
    assert text_of(owner.get(f"/organizer/events/{event_id}/history")) == history
    assert "Confirmed" in text_of(owner.get(f"/bookings/{values['reference']}"))


def test_lost_session_keeps_what_was_typed(person: Person, make_event: MakeEvent) -> None:
    path = f"/events/{make_event()}-harvest-supper"
    key = re.findall(r'requestKey" value="([^"]+)', person.get(path).text)[0]
    data = {"name": "Ada", "email": "ada@example.org", "tickets": "2", "requestKey": key}
    answer = person.client.post(path, data=data)
    assert answer.status_code == 400
    assert 'value="ada@example.org"' in answer.text
    assert f'requestKey" value="{key}"' in answer.text


@pytest.mark.every_database
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_route_hides_events_of_others(
    app: Flask, make_event: MakeEvent, book: Book, method: str
) -> None:
    event_id = make_event(tickets=1)
    book(event_id, "Ada")
    book(event_id, "Grace")
    with app.app_context():
        accounts.create_organizer(username="stranger", password=PASSWORD)
    stranger = Person(app)
    assert stranger.log_in("stranger").status_code == 303
    token = re.findall(r'csrf_token" value="([^"]+)', stranger.get("/organizer").text)[0]
    values = {"event_id": event_id, "position": 1, "delivery_id": 1, "token_id": 1, "pass_id": 1}
    values |= {"number": 1}
    rules = [r for r in page_rules(app, method) if r.endpoint.startswith("organizer.")]
    for rule in rules:
        if "event_id" not in rule.arguments:
            continue
        path = app.url_map.bind("").build(
            rule.endpoint, {name: values[name] for name in rule.arguments}, method=method
        )
        answer = stranger.client.open(path, method=method, data={"csrf_token": token})
        assert answer.status_code == 404, rule
        without_token = stranger.client.open(path, method=method)
        assert without_token.status_code == 404, rule
    assert "Harvest" not in stranger.get("/organizer").text


def test_organizer_pages_need_a_login(app: Flask, person: Person, make_event: MakeEvent) -> None:
    values = {"event_id": make_event(), "position": 1, "number": 1}
    for rule in page_rules(app, "GET"):
        if rule.endpoint.startswith("organizer."):
            answer = person.get(path_of(app, rule, **values))
            assert answer.status_code == 303, rule
            assert answer.location.startswith("/login"), rule


@pytest.fixture
def every_page(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book, give_type: GiveType
) -> Iterator[str]:
    """The address of each page there is, of things that are there; the organizer is logged in."""
    give_type(event_id := make_event())
    values = {
        "event_id": event_id,
        "position": 1,
        "number": 1,
        "reference": book(event_id, "Ada"),
        "slug": "harvest-supper",
    }
    paths = [path_of(app, rule, **values) for rule in page_rules(app, "GET")]
    return iter([*paths, "/nothing-here"])


@pytest.mark.every_database
def test_every_page_is_guarded_by_its_headers(every_page: Iterator[str], owner: Person) -> None:
    for path in every_page:
        answer = owner.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert answer.headers["Referrer-Policy"] == "no-referrer", path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        if answer.mimetype == "text/html":
            assert "HX-Request-Type" in answer.headers["Vary"], path
            public = re.fullmatch(r"/(events/[^/]+|api/docs)?", path) and answer.status_code == 200
            assert ("X-Robots-Tag" in answer.headers) is not bool(public), path
        assert re.search("no-store|no-cache", answer.headers["Cache-Control"]), path
        if "csrf_token" in answer.text:
            assert "no-store" in answer.headers["Cache-Control"] or path == "/", path


def test_no_page_has_inline_scripts_or_styles(every_page: Iterator[str], owner: Person) -> None:
    for path in every_page:
        page = owner.get(path).text
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|hx-on|javascript:|js:", page), path
        scripts = re.findall(r"<script[^>]*>", page)
        # Data runs nothing, whatever is in it.
        ours = ('src="/static/', '<script type="application/ld+json">')
        assert all(any(sign in script for sign in ours) for script in scripts), path


def test_personal_pages_are_not_kept(person: Person, make_event: MakeEvent, book: Book) -> None:
    reference = book(make_event(), "Ada")
    for path in (f"/bookings/{reference}", f"/bookings/{reference}/cancel"):
        assert person.get(path).headers["Cache-Control"] == "private, no-store"


def test_cookies_are_closed_to_scripts_and_other_sites(
    make_app: Callable[..., Flask], person: Person
) -> None:
    cookie = person.get("/login").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    secure = Person(make_app(BASE_URL="https://tickets.example.org"))
    answer = secure.client.get("/login", base_url="https://tickets.example.org")
    assert answer.headers["Set-Cookie"].startswith("__Host-")
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")
    assert "max-age" in answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("path", ["/login", "/bookings", "/events/{}-harvest-supper"])
def test_browser_that_sends_no_cookie_is_told_so(
    app: Flask, make_event: MakeEvent, path: str
) -> None:
    path = path.format(make_event())
    client = app.test_client(use_cookies=False)
    page = client.get(path)
    said = []
    for _ in range(3):
        data = {
            **forms_of(page)[path],
            "name": "Ada",
            "email": "ada@example.org",
            "username": "ada",
        }
        page = client.post(path, data=data)
        assert page.status_code == 400
        assert 'value="ada' in page.text
        said.append(text_of(page))
    # It may have been lost once; after that nobody is asked to try again.
    assert "Please send it once more." in said[0]
    for again in said[1:]:
        assert "Allow cookies for this site in the settings" in again
        assert "once more" not in again


def test_browser_that_keeps_no_cookie_is_sent_to_the_address_of_the_site(
    make_app: Callable[..., Flask], make_event: MakeEvent
) -> None:
    path = f"/events/{make_event()}-harvest-supper"
    client = make_app(BASE_URL="https://tickets.example.org").test_client(use_cookies=False)
    data = {"name": "Ada", "withoutCookie": "1"}
    elsewhere = client.post(path, data=data, base_url="https://www.example.org")
    assert "instead of the address that you used" in text_of(elsewhere)
    assert f'href="https://tickets.example.org{path}"' in elsewhere.text
    there = client.post(path, data=data, base_url="https://tickets.example.org")
    assert "Allow cookies for this site" in text_of(there)
    # A proxy that does not tell of its encryption is not taken for none.
    encrypted = {"Sec-Fetch-Site": "same-origin"}
    behind = client.post(path, data=data, base_url="http://tickets.example.org", headers=encrypted)
    assert "Allow cookies for this site" in text_of(behind)


def test_browser_that_keeps_the_cookie_for_https_is_sent_there(
    make_app: Callable[..., Flask],
) -> None:
    """Browsers drop it where the same site is opened without, such as by its number."""
    client = make_app(BASE_URL="https://tickets.example.org").test_client()
    data = {"username": "ada", "password": "a password"}
    answer = client.post("/login", data=data, base_url="http://192.0.2.2:3000")
    assert answer.status_code == 400
    assert "Open it at https://tickets.example.org and send it from there" in text_of(answer)
    assert 'href="https://tickets.example.org/login"' in answer.text


def test_forms_work_under_https_without_a_referer(
    make_app: Callable[..., Flask], make_event: MakeEvent
) -> None:
    event_id = make_event()
    site = "https://tickets.example.org"
    client = make_app(BASE_URL=site).test_client()
    path = f"/events/{event_id}-harvest-supper"
    token = re.findall(r'csrf_token" value="([^"]+)', client.get(path, base_url=site).text)[0]
    data = {"csrf_token": token, "name": "Ada", "email": "ada@example.org", "tickets": "1"}
    assert client.post(path, base_url=site, data=data).status_code == 303


def test_links_do_not_follow_the_host_header(
    person: Person, make_event: MakeEvent, book: Book
) -> None:
    reference = book(make_event(), "Ada")
    page = person.client.get(f"/bookings/{reference}", headers={"Host": "evil.example"})
    assert f"http://127.0.0.1:3000/bookings/{reference}" in page.text
    assert "evil.example" not in page.text


def test_static_files_are_kept_for_ever_by_their_content(person: Person) -> None:
    sheet = re.findall(r'"(/static/nextup\.css\?v=[0-9a-f]{12})"', person.get("/").text)[0]
    assert "immutable" in person.get(sheet).headers["Cache-Control"]
    assert "immutable" not in person.get("/static/nextup.css?v=old").headers["Cache-Control"]


def test_roundabout_way_to_a_static_file_is_harmless(person: Person) -> None:
    plain = person.get("/static/nextup.css")
    for way in ("x/../nextup.css", "./nextup.css", "././nextup.css"):
        answer = person.get(f"/static/{way}")
        assert (answer.status_code, answer.data) == (200, plain.data), way
    assert person.get("/static/x/../../wsgi.py").status_code == 404


def test_addresses_that_strangers_make_up_are_not_kept(app: Flask) -> None:
    with app.test_request_context():
        tracemalloc.start()
        try:
            for number in range(100):
                assert len(app.url_for("attendee.events", search=f"{number:050000}")) > 50_000
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kept < 1_000_000, "a hundred of them are 10 MB"


def test_login_leads_back_to_what_is_short_enough_to_be_ours(person: Person) -> None:
    wanted = person.get(f"/organizer?before={'1' * 1000}").location
    assert wanted == f"/login?next=/organizer?before%3D{'1' * 1000}"
    assert person.get(f"/organizer?before={'1' * 60_000}").location == "/login"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/organizer", True),
        ("/organizer/events/1?status=waiting&search=a", True),
        ("https://evil.example", False),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("/\t/evil.example", False),
        ("/a\r\nb", False),
        ("javascript:alert(1)", False),
        ("", False),
        (None, False),
    ],
)
def test_next_page_is_one_of_ours(path: str | None, allowed: bool) -> None:
    assert security.local_path(path, otherwise="/else") == (path if allowed else "/else")
