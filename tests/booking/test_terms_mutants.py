"""An evening of terms, and that its checks notice each guard that is taken out."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from tests.support.fixtures import Clock, MakeEvent
from tests.support.terms import BASE_URL, MAIL_URL, answer, ask, go, next_lapse_of, send_mails
from tests.support.tools import statuses
from webapp.booking import batch, heartbeat, lapses, save, terms
from webapp.booking.change import EventChange
from webapp.booking.commands import TermKind
from webapp.booking.line import InconsistentLedger
from webapp.booking.settling import Settled, settle_terms
from webapp.errors import BookingClosed, DomainError
from webapp.storage.tables import events
from webapp.storage.tables import terms as term_rows
from webapp.verify.services import verify


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(MAIL_URL=MAIL_URL, BASE_URL=BASE_URL)


def problems(event_id: int, now: Clock) -> list[str]:
    """What is wrong after an evening on which one answers in time and one too late."""
    try:
        return [*evening(event_id, now), *(broken.rule for broken in verify().broken)]
    except (DomainError, InconsistentLedger) as error:
        return [type(error).__name__]


def evening(event_id: int, now: Clock) -> Iterator[str]:
    heartbeat.beat(now())
    late, kept = ask(event_id, "late"), ask(event_id, "kept")
    go(now, hours=1)
    lapses.settle_due()
    if statuses(event_id) != ["confirmed", "waiting"]:
        yield "lapsed before the question had left"
    send_mails()
    answer(event_id, kept)
    go(now, minutes=31)
    try:
        answer(event_id, late)
        yield "revived by a late answer"
    except BookingClosed:
        pass
    lapses.settle_due()
    if statuses(event_id) != ["lapsed", "confirmed"]:
        yield "nobody moved up"
    if next_lapse_of(event_id) is not None:
        yield "asks again each second"


def lapsing_after_deciding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(batch, "settle_terms", lambda *_: Settled())
    save_all = save.save

    def settle_and_save(connection: Any, changes: Any, *, now: datetime) -> None:
        for change in changes:
            settle_terms(connection, change, now)
        save_all(connection, changes, now=now)

    patch.setattr(batch, "save", settle_and_save)


def term_that_begins_at_booking(patch: pytest.MonkeyPatch) -> None:
    rows = save.save_rows

    def with_terms(connection: Any, changes: Any, *, now: datetime) -> None:
        rows(connection, changes, now=now)
        for change in changes:
            if change.asked:
                end = terms.end_of(TermKind.ADDRESS, change.event, now)
                of_event = term_rows.c.event_id == change.event.id
                connection.execute(update(term_rows).where(of_event).values(lapses_at=end))
                change.next_lapse_at = end

    patch.setattr(save, "save_rows", with_terms)


def next_lapse_that_never_moves_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EventChange, "moves_next_lapse", property(lambda _: False))
    begin = lapses._decide_term

    def and_move(connection: Any, changes: Any, now: datetime, **which: Any) -> None:
        begin(connection, changes, now, **which)
        for change in changes.values():
            columns = {"next_lapse_at": change.next_lapse_at}
            of_event = events.c.id == change.event.id
            connection.execute(update(events).where(of_event).values(columns))

    patch.setattr(lapses, "_decide_term", and_move)


MUTANTS: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    # Both the answer and the lapse want to close the term.
    lapsing_after_deciding: "InconsistentLedger",
    # Whom the mail reached in time is told that it is too late.
    term_that_begins_at_booking: "BookingClosed",
    next_lapse_that_never_moves_on: "asks again each second",
}


def test_evening_of_terms_is_right(in_app: Flask, make_event: MakeEvent, now: Clock) -> None:
    assert problems(make_event(capacity=1), now) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_missing_guard_is_noticed(
    in_app: Flask,
    make_event: MakeEvent,
    now: Clock,
    monkeypatch: pytest.MonkeyPatch,
    mutant: Callable[[pytest.MonkeyPatch], None],
) -> None:
    event_id = make_event(capacity=1)
    mutant(monkeypatch)
    assert MUTANTS[mutant] in problems(event_id, now)
