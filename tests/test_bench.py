"""The bench sells under load, and says so when an answer and the database disagree."""

import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from bench import opening
from bench.figures import Sample, cost
from bench.stage import settings
from bench.truth import Truth
from bench.visitor import BOOKED, visit
from bench.wrk import Load
from tests.support.servers import ROOT, find_program
from webapp.accounts.services import create_organizer
from webapp.booking.commands import organizer
from webapp.booking.services import book_tickets, cancel_booking
from webapp.events.services import EventDetails, create_event

TRUE = "What was sold is what was answered, by every rule."
SELLING = ("many", "types", "cancel", "sqlite", "visitors")


@pytest.fixture
def wrk() -> str:
    return find_program("wrk", package="wrk")


@pytest.mark.long
@pytest.mark.usefixtures("wrk", "mariadb_server", "redis_server")
def test_what_is_sold_under_load_is_what_was_answered() -> None:
    only = [part for name in SELLING for part in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--check", *only],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, TRUE), done.stdout + done.stderr


def load(confirmed: int, waiting: int, **statuses: int) -> Load:
    count = confirmed + waiting
    told = {"201": count, **statuses}
    return Load(count, count, 1.0, 1.0, 1.0, 1.0, 1.0, told, confirmed, waiting)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("told", "noticed"),
    [
        (load(2, 1), []),
        (load(3, 1), ["answers make 3 confirmed, the database has 2"]),
        pytest.param(
            *(load(1, 1), ["answers make 1 confirmed, the database has 2"]), marks=pytest.mark.long
        ),
        pytest.param(
            *(load(2, 2), ["answers make 1 waiting, the database has 0"]), marks=pytest.mark.long
        ),
        (load(2, 1, **{"503": 4}), ["4 answers had status 503"]),
        pytest.param(
            *(replace(load(2, 1), sent=5), ["2 requests were never answered"]),
            marks=pytest.mark.long,
        ),
    ],
)
def test_answer_that_the_database_does_not_bear_out_is_noticed(
    app: Flask, database_url: str, tmp_path: Path, told: Load, noticed: list[str]
) -> None:
    with app.app_context():
        owner = create_organizer(username="bench", password="long enough")
        event_id = create_event(EventDetails("Hot", 2), actor=organizer(owner), published=True)
        for attendee in ("ada", "bob", "eve"):
            book_tickets(event_id, attendee_id=attendee)
        cancel_booking(event_id, attendee_id="ada", actor=organizer(owner))
    truth = Truth(database_url)
    truth.booked((event_id, event_id), told)
    truth.cancelled(event_id, Load(1, 1, 1.0, 1.0, 1.0, 1.0, 1.0, {"200": 1}, promoted=1))
    found = truth.check(settings(database_url), tmp_path)
    assert [line.removeprefix(f"events {event_id} to {event_id}: ") for line in found] == noticed


def test_those_who_wait_for_an_opening_ask_at_moments_of_their_own() -> None:
    looks = opening.looks(opening.VISITORS, random.Random(7))
    assert 0 < min(looks) < max(looks) < opening.LAST_SECONDS
    assert max(Counter(map(int, looks)).values()) <= opening.MOST_PER_SECOND


FORM = b"""HTTP/1.1 200 OK\r\nSet-Cookie: nextup=signed; HttpOnly\r\n\r\n
<input name="csrf_token" value="a.token"><input name="requestKey" value="a-key">"""
MOVED = b"HTTP/1.1 303 SEE OTHER\r\nLocation: /bookings/mine\r\nSet-Cookie: b=2; Path=/\r\n\r\n"


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([FORM, MOVED, b"HTTP/1.1 200 OK\r\n\r\n<p>visitor7</p>"], BOOKED),
        ([FORM, MOVED, b"HTTP/1.1 200 OK\r\n\r\n<p>visitor8</p>"], 200),
        ([FORM, MOVED, b"HTTP/1.1 404 NOT FOUND\r\n\r\n"], 404),
        ([FORM, b"HTTP/1.1 429 TOO MANY REQUESTS\r\n\r\n"], 429),
        ([b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\n\r\n"], 503),
    ],
)
def test_visit_counts_only_if_it_ends_on_the_page_of_its_own_booking(
    answers: list[bytes], status: int
) -> None:
    steps = visit("/events/1-open-air", "127.0.0.1:3000", "visitor7")
    sent = [next(steps)]
    for answer in answers[:-1]:
        sent.append(steps.send(answer))
    with pytest.raises(StopIteration) as end:
        steps.send(answers[-1])
    assert end.value.value == status
    if status == BOOKED:
        assert b"csrf_token=a.token&requestKey=a-key&name=visitor7" in sent[1]
        assert b"Cookie: nextup=signed\r\n" in sent[1]
        assert b"GET /bookings/mine HTTP/1.1\r\n" in sent[2]
        assert b"Cookie: nextup=signed; b=2\r\n" in sent[2]


def test_cost_of_a_booking_holds_the_whole_server_and_its_mail() -> None:
    seen = Load(100, 100, 1.5, 1.0, 1.0, 1.0, 1.0)
    cpu = {"server": 0.5, "supervisor": 0.05, "deliverers": 0.1, "mariadb": 0.4}
    # 1.1 s for 100 answers, and what each mail takes.
    assert cost(Sample(seen, cpu, {}, 2.0, mail_seconds=0.01)) == pytest.approx(11 + 10)
    assert cost(Sample(seen, {"server": 0.5}, {}, 2.0)) == pytest.approx(10)
