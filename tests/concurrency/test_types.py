"""Races for tickets of several types at the real server, judged by a replay of their own."""

import os
import random
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from threading import Thread
from typing import Any

import pytest

from tests.concurrency import test_flood
from tests.concurrency.test_flood import Site
from tests.support.client import Answer, Call, Connection, at_once, cancel
from tests.support.fair import unfair
from tests.support.servers import wait_until
from webapp.verify.services import verify_on

site = test_flood.site

VIP, STANDARD, STUDENT = 1, 2, 3
CODE = "FRIENDS"


class Hall:
    """An event with types on a site."""

    def __init__(self, site: Site, seats: int, quotas: Mapping[int, int]) -> None:
        self.site, self.seats, self.quotas = site, seats, dict(quotas)
        self.event_id = site.event(seats)
        for number, quota in quotas.items():
            self.told("POST", "/types", {"name": f"Type {number}", "quota": quota})

    def told(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        (answer,) = at_once(self.site.port, [self.by_organizer(method, path, body)])
        assert answer.status in (200, 201), answer
        return answer

    def by_organizer(self, method: str, path: str, body: dict[str, Any]) -> Call:
        return Call(method, f"/api/events/{self.event_id}{path}", body, self.site.login)

    def book(self, user: object, wants: Mapping[int, int], code: str | None = None) -> Call:
        items = [{"type": number, "tickets": tickets} for number, tickets in wants.items()]
        body = {"userId": str(user), "eventId": self.event_id, "items": items}
        return Call("POST", "/api/events/book", {**body, "code": code} if code else body)

    def judge(self) -> list[str]:
        with self.site.engine.connect() as connection:
            found = unfair(connection, self.event_id, self.seats, self.quotas)
            return [*found, *(broken.rule for broken in verify_on(connection).broken)]

    def crowd(self, people: int, chance: random.Random) -> list[Call]:
        """So many people, most of them for one or two tickets of a type, some for a mixed party."""
        parties = [{VIP: 1}, {VIP: 2}, {STANDARD: 1}, {STANDARD: 2}, {STUDENT: 1}]
        parties += [{VIP: 1, STANDARD: 1}, {STANDARD: 1, STUDENT: 2}]
        codes = [CODE, None, None, None]
        return [
            self.book(f"user {n}", chance.choice(parties), chance.choice(codes))
            for n in range(people)
        ]

    def changes(self) -> list[Call]:
        """Limits that are raised, and lowered again where that is possible."""
        calls = []
        for more in (3, 0, 5, 2):
            calls.append(self.by_organizer("PATCH", "", {"totalTickets": self.seats + more}))
            for number in (VIP, STANDARD):
                quota = {"quota": self.quotas[number] + more}
                calls.append(self.by_organizer("PATCH", f"/types/{number}", quota))
        return calls


@pytest.mark.parametrize(
    ("people", "quotas"),
    [
        (90, {VIP: 18, STANDARD: 9, STUDENT: 9}),
        pytest.param(500, {VIP: 60, STANDARD: 30, STUDENT: 30}, marks=pytest.mark.long),
    ],
)
def test_crowd_for_three_types_is_served_in_order_while_limits_change(
    site: Site,
    people: int,
    quotas: dict[int, int],
) -> None:
    seats = people // 5 if people == 500 else 30
    hall, chance = Hall(site, seats, quotas), random.Random(5)
    hall.told("POST", "/codes", {"code": CODE, "limit": people // 8})
    calls = hall.crowd(people, chance) + hall.changes()
    chance.shuffle(calls)
    answers = site.flood(calls)
    assert hall.judge() == []
    told = Counter(answer.json.get("status") for answer in answers)
    assert told["confirmed"] > seats // 3
    assert told["waiting"] > seats // 3
    # Half of them give back, in any order, while others come and the limits change again.
    references = [row.reference for row in site.bookings(hall.event_id)]
    calls = [cancel(reference) for reference in chance.sample(references, len(references) // 2)]
    late = [hall.book(f"late {n}", {chance.choice(list(quotas)): 1}) for n in range(people // 5)]
    calls += late + hall.changes()
    chance.shuffle(calls)
    answers = site.flood(calls)
    assert hall.judge() == []
    assert {answer.status for answer in answers} <= {200, 201, 400, 409}


@pytest.mark.race
def test_last_of_a_type_and_last_seat_at_once(site: Site) -> None:
    hall = Hall(site, 2, {VIP: 1, STANDARD: 2})
    wanted = [{VIP: 1}, {STANDARD: 1}, {VIP: 1, STANDARD: 1}]
    answers = at_once(site.port, [hall.book(n, wanted[n % 3]) for n in range(30)])
    assert Counter(answer.status for answer in answers) == {201: 30}
    assert hall.judge() == []
    assert 1 <= sum(answer["status"] == "confirmed" for answer in answers) <= 2


@pytest.mark.race
def test_code_of_ten_tickets_is_had_by_ten_of_100(site: Site) -> None:
    hall = Hall(site, 50, {VIP: 5, STANDARD: 50})
    hall.told("POST", "/codes", {"code": CODE, "limit": 10})
    calls = [hall.book(n, {VIP if n % 2 else STANDARD: 1}, CODE.lower()) for n in range(100)]
    answers = site.flood(calls)
    assert Counter(answer.status for answer in answers) == {201: 10, 400: 90}
    assert {answer["code"] for answer in answers if answer.status == 400} == {"unknown_code"}
    assert hall.judge() == []


def is_open(port: int) -> bool:
    with suppress(ConnectionRefusedError), Connection(port):
        return True
    return False


def can_be_killed(site: Site, told: list[Answer], many: int) -> bool:
    return len(told) > many and bool(site.server.worker_pids())


@pytest.mark.long
def test_killed_worker_leaves_types_and_queues_whole(site: Site) -> None:
    hall, chance = Hall(site, 40, {VIP: 24, STANDARD: 12, STUDENT: 12}), random.Random(9)
    hall.told("POST", "/codes", {"code": CODE, "limit": 30})
    calls = hall.crowd(400, chance)
    told: list[Answer] = []

    def client(mine: list[Call]) -> None:
        for call in mine:
            # Who was at the worker that is killed hears nothing; who comes next finds its heir.
            assert wait_until(partial(is_open, site.port), timeout=60)
            with suppress(OSError, HTTPException), Connection(site.port) as connection:
                told.append(connection.make(call))

    clients = [Thread(target=client, args=(calls[n::16],)) for n in range(16)]
    for one in clients:
        one.start()
    for already in (40, 120):
        assert wait_until(partial(can_be_killed, site, told, already), timeout=60)
        os.kill(site.server.worker_pids()[0], signal.SIGKILL)
    for one in clients:
        one.join()
    kept = {row.reference: row.status for row in site.bookings(hall.event_id)}
    booked = [answer for answer in told if answer.status == 201]
    assert {answer["bookingReference"] for answer in booked} <= kept.keys()
    assert len(booked) > 100
    assert hall.judge() == []
