"""The look from outside: the real server, its real processes, and many clients at once."""

import random
import uuid
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, Row, text

from tests.conftest import dispose, make_settings
from tests.support.client import (
    Answer,
    Call,
    Watch,
    at_once,
    book,
    cancel,
    in_flight,
    one_connection_to_each_worker,
    status,
)
from tests.support.migrated import empty_tables
from tests.support.servers import AppServer
from webapp import create_app
from webapp.accounts.services import id_of
from webapp.accounts.tokens import create_token
from webapp.verify.checks import broken_rules
from webapp.verify.door_rules import door_checks, replay_door

USERNAME, PASSWORD = "olga", "correct horse"
CONNECTIONS = 32


class Site:
    """The server under test and a look into its database behind its back."""

    def __init__(self, server: AppServer, engine: Engine, login: str) -> None:
        self.server = server
        self.port = server.port
        self.engine = engine
        self.login = login

    def flood(self, calls: list[Call]) -> list[Answer]:
        """The answers in order; who is turned away comes back, as Retry-After asks.

        On a machine that other tests load as well, a few wait longer than a server lets them.
        """
        answers = in_flight(self.port, calls, connections=CONNECTIONS)
        turned_away = [n for n, answer in enumerate(answers) if answer.status == 503]
        assert len(turned_away) <= len(calls) // 20
        again = in_flight(self.port, [calls[n] for n in turned_away], connections=CONNECTIONS)
        for n, answer in zip(turned_away, again, strict=True):
            answers[n] = answer
        return answers

    def event(self, tickets: int) -> int:
        body = {"eventName": "conference", "totalTickets": tickets}
        (answer,) = at_once(self.port, [Call("POST", "/api/events/initialize", body, self.login)])
        assert answer.status == 201
        return int(answer["id"])

    def event_with(self, tickets: int, users: int) -> tuple[int, list[str]]:
        """An event booked by so many users, one ticket each, and their references in order."""
        event_id = self.event(tickets)
        answers = self.flood([book(event_id, user) for user in range(users)])
        assert {answer.status for answer in answers} == {201}
        return event_id, [row.reference for row in self.bookings(event_id)]

    def status(self, event_id: int) -> Answer:
        return at_once(self.port, [status(event_id)])[0]

    def figures(self, event_id: int) -> tuple[int, int, int]:
        """Booked, waiting and for sale, as anybody may read it."""
        now = self.status(event_id)
        return now["bookedTickets"], now["waitingListCount"], now["availableTickets"]

    def bookings(self, event_id: int) -> list[Row[tuple[int, str, str, int, str]]]:
        query = text(
            "SELECT position, attendee_id, status, tickets, reference FROM booking"
            " WHERE event_id = :event_id ORDER BY position"
        )
        with self.engine.connect() as connection:
            return list(connection.execute(query, {"event_id": event_id}))

    def door(self, event_id: int) -> list[tuple[str, int]]:
        """The code of each booking, and how many people came in by it."""
        query = text(
            "SELECT ticket_code, (SELECT count(*) FROM admission WHERE admission.event_id ="
            " booking.event_id AND admission.position = booking.position) FROM booking"
            " WHERE event_id = :event_id ORDER BY position"
        )
        with self.engine.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(query, {"event_id": event_id})]

    def broken(self) -> list[str]:
        """What `verify` finds of the door, beside its history."""
        with self.engine.connect() as connection:
            found = [broken_rules(connection, check) for check in door_checks()]
            return [str(one) for each in [*found, replay_door(connection)] for one in each]

    def statuses(self, event_id: int) -> list[str]:
        return [row.status for row in self.bookings(event_id)]


@pytest.fixture(scope="module")
def site(
    database_url: str, cleaner: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Four worker processes, or the one that SQLite can have."""
    environ = {
        "DATABASE_URL": database_url,
        "WORKERS": "1" if database_url.startswith("sqlite") else "4",
        "RATELIMIT_ENABLED": "false",
        "ORGANIZER_USERNAME": USERNAME,
        "ORGANIZER_PASSWORD": PASSWORD,
    }
    folder = tmp_path_factory.mktemp("site")
    server = AppServer(folder, environ=environ)
    try:
        server.start()
        # A token is cheap to check; a password is slow on purpose, once in every process.
        app = create_app(make_settings(database_url, folder))
        with app.app_context():
            login = f"Bearer {create_token(id_of(USERNAME), name='flood')}"
        dispose(app)
        yield Site(server, cleaner, login)
    finally:
        server.kill()
        empty_tables(cleaner)


def test_crowd_larger_than_the_event_gets_every_ticket_once_and_a_true_answer(site: Site) -> None:
    users, tickets = 1200, 800
    event_id = site.event(tickets)
    answers = site.flood([book(event_id, user) for user in range(users)])
    assert Counter(answer.status for answer in answers) == {201: users}
    assert Counter(answer["status"] for answer in answers) == {
        "confirmed": tickets,
        "waiting": users - tickets,
    }
    assert site.figures(event_id) == (tickets, users - tickets, 0)
    told = {
        answer["bookingReference"]: (
            str(answer["userId"]),
            answer["status"],
            answer.json.get("waitingListPosition"),
        )
        for answer in answers
    }
    kept = {
        row.reference: (
            row.attendee_id,
            row.status,
            row.position - tickets if row.status == "waiting" else None,
        )
        for row in site.bookings(event_id)
    }
    assert told == kept
    assert site.statuses(event_id) == ["confirmed"] * tickets + ["waiting"] * (users - tickets)


def test_cancels_in_flight_promote_exactly_the_first_in_line_each_once(site: Site) -> None:
    tickets, waiting = 200, 400
    event_id, references = site.event_with(tickets, tickets + waiting)
    assert site.figures(event_id) == (tickets, waiting, 0)
    leaving = references[:tickets]
    random.Random(7).shuffle(leaving)
    watch = Watch(site.port, event_id)
    answers = site.flood([cancel(reference, site.login) for reference in leaving])
    seen = watch.stop()
    assert Counter(answer.status for answer in answers) == {200: tickets}
    promoted = [reference for answer in answers for reference in answer["promoted"]]
    assert len(promoted) == tickets
    assert set(promoted) == set(references[tickets : 2 * tickets])
    assert len(seen) > 20
    assert {(answer.status, answer["availableTickets"]) for answer in seen} == {(200, 0)}
    assert {answer["bookedTickets"] for answer in seen} == {tickets}
    assert site.figures(event_id) == (tickets, waiting - tickets, 0)
    assert site.statuses(event_id) == (
        ["cancelled"] * tickets + ["confirmed"] * tickets + ["waiting"] * (waiting - tickets)
    )


@pytest.mark.race
def test_last_ticket_is_had_by_one_of_32_who_ask_at_once(site: Site) -> None:
    event_id = site.event(1)
    answers = at_once(site.port, [book(event_id, user) for user in range(32)])
    assert Counter(answer.status for answer in answers) == {201: 32}
    assert Counter(answer["status"] for answer in answers) == {"confirmed": 1, "waiting": 31}
    ranks = [a["waitingListPosition"] for a in answers if a["status"] == "waiting"]
    assert sorted(ranks) == list(range(1, 32))
    assert site.figures(event_id) == (1, 31, 0)
    assert site.statuses(event_id) == ["confirmed"] + ["waiting"] * 31


@pytest.mark.race
def test_one_key_sent_20_times_at_once_has_one_effect_and_one_answer(site: Site) -> None:
    event_id = site.event(100)
    answers = at_once(site.port, [book(event_id, "ada", 2, key="k")] * 20)
    assert {answer.status for answer in answers} == {201}
    assert len({answer["bookingReference"] for answer in answers}) == 1
    assert site.figures(event_id) == (2, 0, 98)


@pytest.mark.race
def test_one_user_booking_32_times_at_once_has_one_booking(site: Site) -> None:
    event_id = site.event(100)
    answers = at_once(site.port, [book(event_id, "ada", 2)] * 32)
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 31}
    assert {a["code"] for a in answers if a.status == 409} == {"already_booked"}
    assert site.figures(event_id) == (2, 0, 98)


@pytest.mark.race
def test_one_booking_cancelled_16_times_at_once_frees_its_ticket_once(site: Site) -> None:
    event_id, references = site.event_with(3, 8)
    answers = at_once(site.port, [cancel(references[0], site.login)] * 16)
    assert Counter(answer.status for answer in answers) == {200: 16}
    assert {tuple(answer["promoted"]) for answer in answers} == {(references[3],)}
    assert site.figures(event_id) == (3, 4, 0)
    assert site.statuses(event_id) == ["cancelled"] + ["confirmed"] * 3 + ["waiting"] * 4


@pytest.mark.race
def test_waiting_user_who_cancels_frees_no_ticket(site: Site) -> None:
    event_id, references = site.event_with(2, 8)
    answers = at_once(site.port, [cancel(reference) for reference in references[3:6]])
    assert [(answer.status, answer["promoted"]) for answer in answers] == [(200, 0)] * 3
    assert site.figures(event_id) == (2, 3, 0)


def scan(site: Site, event_id: int, code: str, what: str = "in", count: int = 1) -> Call:
    """A device that scans a ticket, with a token of the organizer."""
    entry = {"id": str(uuid.uuid4()), "what": what, "code": code, "count": count}
    path = f"/api/events/{event_id}/scans"
    return Call("POST", path, {"scans": [entry]}, site.login)


@pytest.mark.race
def test_one_code_shown_to_20_devices_at_once_admits_once(site: Site) -> None:
    event_id, _ = site.event_with(1, 1)
    [(code, _)] = site.door(event_id)
    answers = at_once(site.port, [scan(site, event_id, code) for _ in range(20)])
    assert Counter(answer.status for answer in answers) == {200: 20}
    told = Counter(answer["scans"][0]["verdict"] for answer in answers)
    assert told == {"admitted": 1, "again": 19}
    assert site.door(event_id) == [(code, 1)]
    assert site.broken() == []


@pytest.mark.race
def test_of_a_scan_and_a_cancel_at_the_same_moment_one_wins(site: Site) -> None:
    event_id, references = site.event_with(1, 2)
    code = site.door(event_id)[0][0]
    calls = []
    for _ in range(6):
        calls += [scan(site, event_id, code), cancel(references[0], site.login)]
    answers = at_once(site.port, calls)
    told = {answer["scans"][0]["verdict"] for answer in answers[::2]}
    cancels = {answer.status for answer in answers[1::2]}
    if cancels == {200}:
        assert told == {"cancelled"}
        assert site.statuses(event_id) == ["cancelled", "confirmed"]
    else:
        assert (told, cancels) == ({"admitted", "again"}, {409})
        assert site.statuses(event_id) == ["confirmed", "waiting"]
    assert site.broken() == []


@pytest.mark.parametrize("many", [10, pytest.param(200, marks=pytest.mark.long)])
def test_scans_and_undos_at_the_same_moment_add_up(site: Site, many: int) -> None:
    event_id = site.event(10)
    assert at_once(site.port, [book(event_id, "ada", 3)])[0].status == 201
    [(code, _)] = site.door(event_id)
    calls = [scan(site, event_id, code, what) for what in ("in", "out") * many]
    # A call that got lost is sent again, under the same ids.
    answers = site.flood([*calls, *calls])
    assert {answer.status for answer in answers} == {200}
    first, again = answers[: len(calls)], answers[len(calls) :]
    verdicts = [answer["scans"][0]["verdict"] for answer in first]
    assert verdicts == [answer["scans"][0]["verdict"] for answer in again]
    counted = Counter(verdicts)
    assert site.door(event_id) == [(code, counted["admitted"] - counted["undone"])]
    assert counted["admitted"] > 0
    assert site.broken() == []


def test_bookings_and_cancels_racing_keep_every_rule(site: Site) -> None:
    event_id, references = site.event_with(60, 120)
    chance = random.Random(11)
    calls = [book(event_id, f"new{n}", 1 + n % 4) for n in range(200)]
    calls += [cancel(reference) for reference in references * 2]
    chance.shuffle(calls)
    watch = Watch(site.port, event_id)
    answers = site.flood(calls)
    seen = watch.stop()
    assert {answer.status for answer in answers} == {200, 201}
    for now in seen:
        assert now["bookedTickets"] + now["availableTickets"] <= 60
        assert now["waitingListCount"] == 0 or now["availableTickets"] == 0
    kept = site.bookings(event_id)
    confirmed = [row for row in kept if row.status == "confirmed"]
    waiting = [row for row in kept if row.status == "waiting"]
    assert len(kept) == 320
    assert [row.status for row in kept[:120]] == ["cancelled"] * 120
    sold = sum(row.tickets for row in confirmed)
    assert site.figures(event_id) == (sold, len(waiting), 0)
    assert waiting
    assert max(row.position for row in confirmed) < waiting[0].position
    assert sold <= 60 < sold + waiting[0].tickets


def test_status_is_right_at_once_whichever_process_answers(site: Site) -> None:
    event_id = site.event(3)
    connections = one_connection_to_each_worker(site.server)
    assert len(connections) == len(site.server.worker_pids())

    def everybody_says() -> set[tuple[int, int, int]]:
        answers = [connection.make(status(event_id)) for connection in connections]
        return {(a["bookedTickets"], a["waitingListCount"], a["availableTickets"]) for a in answers}

    references = []
    for user in range(8):
        writer = connections[user % len(connections)]
        references.append(writer.make(book(event_id, user))["bookingReference"])
        booked = min(3, user + 1)
        assert everybody_says() == {(booked, user + 1 - booked, 3 - booked)}
    for user, expected in ((0, (3, 4, 0)), (7, (3, 3, 0)), (3, (3, 2, 0))):
        writer = connections[user % len(connections)]
        assert writer.make(cancel(references[user])).status == 200
        assert everybody_says() == {expected}
        look = Call("GET", f"/api/bookings/{references[5]}")
        ranks = {c.make(look).json.get("waitingListPosition") for c in connections}
        assert len(ranks) == 1
    for connection in connections:
        connection.__exit__()
