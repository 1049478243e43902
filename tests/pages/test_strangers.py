"""What strangers send: whatever it is, the answer is no mistake of ours and no help to them."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.pages.conftest import PASSWORD, Person, forms_of
from webapp.accounts import services as accounts
from webapp.accounts.tokens import create_token

MakeEvent = Callable[..., int]
Book = Callable[..., str]

HUGE = "9" * 5_000
DIGITS = "\N{ARABIC-INDIC DIGIT THREE}"
# As they stand in an address, after the % of bytes that are no text.
AWKWARD = [
    *("", " ", "0", "-1", "+1", "1_0", "1.0", "1e3", "NaN", "Infinity", "-Infinity", "0x10"),
    *(str(2**31), str(2**63), str(2**64), "9" * 18, "9" * 19, HUGE, quote(DIGITS)),
    *("%00", "a%00b", "%FF", "%ED%A0%80", "%F0%9F%8E%89", "%C3%BC", "%0D%0AX:%20y", "%1B[2K"),
    *("0001-01-01T00:00:00%2B23:59", "0000-01-01", "99999-01-01T00:00", "2027-01-01T00:00:00Z"),
    *("%25", "_", "%5C", "'%20OR%201=1%20--", "..%2F..%2Fetc", "[]", "{}", "null", "x" * 3_000),
    *("undated-", "undated--1", "undated-1_0", f"undated-{HUGE}", "-1-1", "0-0"),
    *("999999999999999999-999999999999999999", "253402300800000000-1", f"1-{'9' * 19}"),
]
CURSORS = [
    *("0001-01-01T00:00:00+23:59~5", "9999-12-31T23:59:59-23:59~5", "0001-01-01T00:00:00+00:00~1"),
    *("2027-01-01T00:00:00~1", "2027-01-01T00:00:00+00:00~-1", "2027-01-01T00:00:00+00:00~1_0"),
    *("2027-01-01T00:00:00+00:00~", f"~{HUGE}", "~-1", "~NaN", "~", "", "~1~1", "\0~1"),
    *("9998-12-31T23:59:59.999999+00:00~1", "2027-W01-1T00:00+00:00~1", "20270101T000000Z~1"),
]
CURSORS = [urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in CURSORS]
PARAMETERS = (
    *("after", "before", "cursor", "limit", "search", "status", "tickets", "like", "form", "next"),
    *("v", "show", "page"),
)
PATHS = {
    "event_id": "1",
    "position": "1",
    "delivery_id": "1",
    "token_id": "1",
    "pass_id": "1",
    "number": "1",
    "version": "x",
    "reference": "x" * 22,
    "token": "x" * 32,
    "slug": "x",
    "size": "large",
    "name": "x",
    "filename": "x.css",
}
MARK = "typed-elsewhere"


def rules(app: Flask, method: str) -> list[Rule]:
    found = [rule for rule in app.url_map.iter_rules() if method in (rule.methods or ())]
    return sorted(found, key=lambda rule: rule.rule)


def path_of(rule: Rule, **values: str) -> str:
    """The address of a rule, where values may be any text."""
    return re.sub(r"<(?:[^:<>]+:)?(\w+)>", lambda found: {**PATHS, **values}[found[1]], rule.rule)


def ask(person: Person, path: str, query: str = "", **options: object) -> TestResponse:
    """As a client that sends the bytes of an address as they are."""
    options = {"method": "GET", "buffered": True, **options}
    return person.client.open(f"{path}?{query}", **options)  # type: ignore[arg-type]


@pytest.fixture
def asking(app: Flask, owner: Person, make_event: MakeEvent, book: Book) -> Iterator[Person]:
    """The organizer of an event with bookings; what raises in a view is a 500."""
    event_id = make_event(tickets=1)
    PATHS["event_id"] = str(event_id)
    book(event_id, "Ada")
    PATHS["reference"] = book(event_id, "Grace")
    app.testing = False
    yield owner
    app.testing = True


@pytest.mark.every_database
@pytest.mark.parametrize("each", [9, pytest.param(1, marks=pytest.mark.long)])
def test_whatever_an_address_holds_is_no_mistake_of_ours(
    app: Flask, asking: Person, each: int
) -> None:
    """Every ninth value for each route, but others for the next, or all for all."""
    for number, rule in enumerate(rules(app, "GET")):
        if rule.endpoint == "health.ready":
            continue
        for name in rule.arguments:
            for value in AWKWARD[number % each :: each]:
                path = path_of(rule, **{name: value or "%20"})
                assert ask(asking, path).status_code < 500, path[:200]
        for value in [*AWKWARD, *CURSORS][number % each :: each]:
            query = "&".join(f"{name}={value}" for name in PARAMETERS)
            answer = ask(asking, path_of(rule), f"{query}&{query}")
            assert answer.status_code < 500, (rule, value[:200])


HEADERS = {
    "Accept-Language": ["de;q=NaN", "de;q=1e999", "de;q=-1", "*;q=", ";;;,,,", "x" * 9_000, "\xff"],
    "If-None-Match": ["*", '"', 'W/"', '"\x01"', "\xff", "," * 500],
    "Cookie": ["nextup=x.y.z", "nextup=\xff", "=;=", f"nextup-bookings={HUGE}", "nextup-device=."],
    "Content-Type": ["multipart/form-data", "application/json; charset=nonsense", "\xff/\xff"],
    "Idempotency-Key": ["\xff", "", " "],
    "HX-Request-Type": ["\xff"],
    "X-Request-ID": ["\xff"],
    "Origin": ["\xff", "null"],
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/login", "/events/{}", "/api/events", "/api/events/book"])
def test_whatever_a_header_holds_is_no_mistake_of_ours(
    app: Flask, asking: Person, method: str, path: str
) -> None:
    for name, values in HEADERS.items():
        for value in values:
            stranger = app.test_client(use_cookies=False)
            path = path.format(PATHS["event_id"])
            answer = stranger.open(path, method=method, headers={name: value}, buffered=True)
            assert answer.status_code < 500, (name, value[:50])


def test_redirect_never_repeats_the_host_that_a_client_names(app: Flask, asking: Person) -> None:
    event_id = PATHS["event_id"]
    ways = sorted({path_of(rule) for rule in app.url_map.iter_rules()})
    ways += [f"{way}/" for way in ways] + [re.sub("/", "//", way) for way in ways]
    ways += [f"/{way}" for way in ways] + [
        *(f"/events//{event_id}", f"/events/{event_id}-", f"/events/{event_id}/", "///evil.test"),
        *("//evil.test/%2e%2e", "/\\evil.test", "/;@evil.test/events//1", "/.//evil.test"),
    ]
    moved = 0
    for way in ways:
        # As it comes in, without what a client would make of it before.
        base = {"PATH_INFO": way, "HTTP_HOST": "named.test"}
        answer = asking.client.get("/", environ_overrides=base, buffered=True)
        told = answer.headers.get("Location", "/")
        moved += "Location" in answer.headers
        assert re.match(r"/(?![/\\])", told), (way, told)
        assert b"named.test" not in f"{answer.headers}".encode() + answer.data, way
    assert moved > 20


FROM_ELSEWHERE = {
    "the browser says so": {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    "from a neighbour": {"Sec-Fetch-Site": "same-site"},
    "an older browser names the site": {"Origin": "https://evil.test"},
    "or the same name on another port": {"Origin": "http://localhost:8080"},
    "the site hides where it is": {"Origin": "null"},
}
FROM_HERE: dict[str, dict[str, str]] = {
    "the browser says so": {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    "an older browser names us": {"Origin": "http://localhost"},
    "it has the address in our links": {"Origin": "http://127.0.0.1:3000"},
    # It brings the cookie, which browsers leave out of what other sites send.
    "our pages hide where they are": {"Origin": "null", "Cookie": "nextup-language=de"},
    "no browser": {},
}


def send_filled_in(app: Flask, headers: dict[str, str]) -> Iterator[tuple[Rule, TestResponse]]:
    """Every form of a page with the mark in each of its fields, and without its token."""
    fields = ("name", "email", "eventName", "description", "subject", "text", "username", "next")
    typed = dict.fromkeys((*fields, "carried", "location", "seen"), MARK)
    for rule in rules(app, "POST"):
        if rule.rule.startswith("/api/"):
            continue
        sender = app.test_client(use_cookies=False)
        yield rule, sender.post(path_of(rule), data=typed, headers=headers)


@pytest.mark.parametrize("headers", FROM_ELSEWHERE.values(), ids=FROM_ELSEWHERE)
def test_form_that_is_sent_from_elsewhere_is_not_shown_filled_in(
    app: Flask, asking: Person, headers: dict[str, str]
) -> None:
    for rule, answer in send_filled_in(app, headers):
        assert answer.status_code < 500, rule
        assert MARK not in answer.text, rule
        assert MARK not in answer.headers.get("Location", ""), rule


@pytest.mark.parametrize("headers", FROM_HERE.values(), ids=FROM_HERE)
def test_form_of_ours_is_shown_as_it_was_filled_in(
    app: Flask, asking: Person, headers: dict[str, str]
) -> None:
    shown = {rule.endpoint for rule, answer in send_filled_in(app, headers) if MARK in answer.text}
    # What cannot be sent without a session is carried through the log-in.
    assert {"attendee.book", "find.send", "auth.try_login", "organizer.save"} <= shown


def test_at_most_ten_mistakes_of_a_form_are_listed(owner: Person) -> None:
    times = ("startsAt", "endsAt", "salesOpenAt", "salesCloseAt", "cancelUntil")
    others = ("totalTickets", "timeZone", "maxTicketsPerBooking", "waitingListLimit", "status")
    wrong = {**dict.fromkeys((*times, *others), "x"), "eventName": "", "location": "\x00"}
    path = "/organizer/events/new"
    data = {**forms_of(owner.get(path))[path], **wrong}
    page = owner.client.post(path, data=data)
    assert page.status_code == 400
    assert page.text.count('class="error"') == 10


def test_stranger_learns_nothing_of_a_name_by_trying(app: Flask) -> None:
    """Nor by how it is answered when it is too long, or no name at all."""
    with app.app_context():
        accounts.create_organizer(username="owner", password=PASSWORD)
    pages = set()
    for name in ("owner", "nobody", "a:b", "\x00", "o" * 64):
        page = Person(app).log_in(name, "wrong")
        shown = re.sub(r'value="[^"]*"', "", page.text)
        pages.add((page.status_code, shown))
    assert len(pages) == 1


def test_query_is_told_what_is_wrong_with_it(app: Flask, asking: Person) -> None:
    lists = {rule.rule: rule for rule in rules(app, "GET") if rule.rule.startswith("/api/")}
    asked = {
        "/api/events": ("cursor", "limit"),
        "/api/organizer/events": ("cursor", "limit"),
        "/api/events/<id:event_id>/bookings": ("cursor", "limit", "status"),
        "/api/events/<id:event_id>/waiting": ("cursor", "limit"),
    }
    with app.app_context():
        token = create_token(accounts.id_of("owner"), name="tests")
    headers = {"Authorization": f"Bearer {token}"}
    wrong = {
        "limit": ["", "0", "-1", "101", "1.5", "NaN", "1e1", HUGE, DIGITS, "1_0", "+1"],
        "status": ["x", "Confirmed", "confirmed "],
        "cursor": ["x", "-1", "1.0", "NaN", HUGE, DIGITS, "1_0", "\0", "\N{PARTY POPPER}", "+1"],
    }
    for path, names in asked.items():
        for name in names:
            cursors = filter(None, CURSORS[:12]) if name == "cursor" else []
            queries = [{name: value} for value in (*wrong[name], *cursors)]
            for query in [urlencode(query) for query in queries] + [f"{name}=1&{name}=1"]:
                answer = ask(asking, path_of(lists[path]), query, headers=headers)
                assert answer.status_code == 400, (path, query[:80])
                assert set(answer.get_json()["errors"]) == {name}, (path, query[:80])
    search = ask(asking, "/api/events", "search=a&search=b")
    assert set(search.get_json()["errors"]) == {"search"}
