"""Says of a recorded history whether the rules can have produced it.

A client can rely on two things: what was told before a question was asked is included in its
answer, and what was told stays true. The checker needs no model of the server and searches for no
order of events: each thing it holds against the record is one that every order under the rules
obeys.
"""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tests.support.history import Asked, History, Row

RANK = "waitingListPosition"
# Behind everybody.
LAST = 1 << 60


def problems(history: History, rows: Sequence[Row], *, refusals: bool = False) -> list[str]:
    """What cannot be under the rules, one sentence each; empty for a history that is right.

    `refusals` allows 503: the server may have been too busy or without its database.
    """
    return [
        *_wrong_answers(history, refusals=refusals),
        *_oversold(history),
        *_lost(history, rows),
        *_unasked(history, rows),
        *_out_of_order(history, rows),
        *_status_reads(history),
        *_looks(history),
        *_repeats(history),
    ]


def _wrong_answers(history: History, *, refusals: bool) -> Iterable[str]:
    """Only answers that the contract knows; "already booked" only to one who may have been."""
    first: dict[str, float] = {}
    for asked in sorted(history.of("book"), key=lambda asked: asked.began):
        first.setdefault(asked.user, asked.began)
    for asked in history.asked:
        if asked.status == 409 and asked.what == "book":
            if first[asked.user] == asked.began:
                yield f"{asked.user} was refused a first booking: {asked.answer.get('code')}"
        elif asked.status == 503:
            if not refusals:
                yield f"{asked.what} of {asked.user} was turned away"
            if asked.retry_after is None:
                yield f"{asked.what} was turned away without a Retry-After"
        elif asked.answer.get("status") == "waiting" and not asked.answer.get(RANK):
            yield f"{asked.what} of {asked.user} was told of a wait without a rank"
        elif asked.status not in (0, 200, 201):
            yield f"{asked.what} of {asked.user} was answered {asked.status}"


def _oversold(history: History) -> Iterable[str]:
    """At no moment did clients hold, as they were told, more tickets than there are."""
    given_up: dict[str, float] = {}
    for asked in history.of("cancel"):
        given_up[asked.reference] = min(asked.began, given_up.get(asked.reference, asked.began))
    steps: list[tuple[float, int]] = []
    told: set[str] = set()
    for asked in sorted(history.asked, key=lambda asked: asked.ended):
        reference = asked.answer.get("bookingReference", "")
        confirmed = asked.what in ("book", "look") and asked.answer.get("status") == "confirmed"
        if asked.done and confirmed and reference not in told:
            told.add(reference)
            until = given_up.get(reference, float("inf"))
            if asked.ended < until:
                steps += [(asked.ended, asked.answer["tickets"]), (until, -asked.answer["tickets"])]
    held = 0
    for _, tickets in sorted(steps):
        held += tickets
        if held > history.capacity:
            yield f"{held} of {history.capacity} tickets were promised at the same time"
            return


def _lost(history: History, rows: Sequence[Row]) -> Iterable[str]:
    """What was told is there in the end, or what the rules made of it."""
    kept = {row.reference: row for row in rows}
    given_up = {asked.reference for asked in history.of("cancel")}
    for asked in history.of("book"):
        if not asked.done:
            continue
        reference = asked.answer["bookingReference"]
        row = kept.get(reference)
        if row is None:
            yield f"the booking told to {asked.user} is lost"
        elif (row.user, row.tickets) != (asked.user, asked.tickets):
            yield f"the booking told to {asked.user} is now that of {row.user}, {row.tickets}"
        elif row.status == "cancelled" and reference not in given_up:
            yield f"the booking of {asked.user} was cancelled, and nobody asked for it"
        elif row.status == "waiting" and asked.answer["status"] == "confirmed":
            yield f"{asked.user} was told confirmed and is waiting"
    for asked in history.of("cancel"):
        row = kept.get(asked.reference)
        if asked.done and (row is None or row.status != "cancelled"):
            yield f"the cancel told to {asked.user} is lost"


def _unasked(history: History, rows: Sequence[Row]) -> Iterable[str]:
    """Every booking is the effect of a request, and no request has two."""
    wanted: dict[str, set[str]] = defaultdict(set)
    sizes: dict[str, set[int]] = defaultdict(set)
    for number, asked in enumerate(history.of("book")):
        wanted[asked.user].add(asked.key or f"without a key {number}")
        sizes[asked.user].add(asked.tickets)
    made: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        made[row.user].append(row)
    for user, bookings in made.items():
        if len(bookings) > len(wanted[user]):
            yield f"{user} asked {len(wanted[user])} times and has {len(bookings)} bookings"
        if sum(booking.status != "cancelled" for booking in bookings) > 1:
            yield f"{user} has several active bookings"
        if not {booking.tickets for booking in bookings} <= sizes[user]:
            yield f"{user} has a number of tickets that was not asked for"
    if sum(row.tickets for row in rows if row.status == "confirmed") > history.capacity:
        yield "more tickets are confirmed in the end than there are"


def _out_of_order(history: History, rows: Sequence[Row]) -> Iterable[str]:
    """Who was told before another asked is served before that other."""
    positions = {row.reference: row.position for row in rows}
    status = {row.reference: row.status for row in rows}
    told = [
        (asked.began, asked.ended, asked.answer["bookingReference"], asked.answer["status"])
        for asked in _requests(history, "book")
        if asked.done and asked.answer["bookingReference"] in positions
    ]
    by_end = sorted(told, key=lambda one: one[1])
    ended = 0
    largest = waiting_throughout = 0
    for began, _, reference, told_status in sorted(told):
        while ended < len(by_end) and by_end[ended][1] < began:
            earlier = by_end[ended][2]
            largest = max(largest, positions[earlier])
            if status[earlier] == "waiting":
                waiting_throughout = waiting_throughout or positions[earlier]
            ended += 1
        if positions[reference] < largest:
            yield f"position {positions[reference]} was given after position {largest}"
        if told_status == "confirmed" and waiting_throughout:
            yield (
                f"position {positions[reference]} was confirmed at once while position"
                f" {waiting_throughout} was waiting"
            )
    confirmed = [row.position for row in rows if row.status == "confirmed"]
    waiting = [row.position for row in rows if row.status == "waiting"]
    if confirmed and waiting and max(confirmed) > min(waiting):
        yield f"position {max(confirmed)} overtook position {min(waiting)}"


def _status_reads(history: History) -> Iterable[str]:
    """A read tells all that was told before it was asked, and nothing that was never asked.

    Bookings are counted by reads as confirmed tickets plus waiting bookings, which is their
    number where each has one ticket; elsewhere only the figures themselves are checked.
    """
    books, cancels = _requests(history, "book"), _requests(history, "cancel")
    countable = all(asked.tickets == 1 for asked in books)
    told = sorted(book.ended for book in books if book.done)
    asked_for = sorted(book.began for book in books if book.done or book.unknown)
    given_up = sorted(cancel.began for cancel in cancels)
    told_gone = sorted(cancel.ended for cancel in cancels if cancel.done)
    for read in history.of("status"):
        if read.status != 200:
            continue
        total, booked = read.answer["totalTickets"], read.answer["bookedTickets"]
        free, waiting = read.answer["availableTickets"], read.answer["waitingListCount"]
        if booked + free > total or (waiting and free):
            yield f"a read showed {booked} booked, {free} free, {waiting} waiting of {total}"
        if not countable:
            continue
        least = bisect_left(told, read.began) - bisect_left(given_up, read.ended)
        most = bisect_left(asked_for, read.ended) - bisect_left(told_gone, read.began)
        if not least <= booked + waiting <= most:
            yield f"a read counted {booked + waiting} bookings, not {least} to {most}"


def _requests(history: History, what: str) -> list[Asked]:
    """Each request once, however often it was sent: from its first sending to its first answer.

    What is sent again is a cancel of the same booking, or anything under the same key.
    """
    merged: dict[object, Asked] = {}
    for number, asked in enumerate(sorted(history.of(what), key=lambda asked: asked.began)):
        name = asked.reference or asked.key or number
        known = merged.get(name)
        if known is None:
            merged[name] = replace(asked)
        elif asked.done and not (known.done and known.ended <= asked.ended):
            known.ended, known.status, known.answer = asked.ended, asked.status, asked.answer
        elif asked.unknown and not known.done:
            known.status = asked.status
    return list(merged.values())


def _looks(history: History) -> Iterable[str]:
    """A booking only ever goes from waiting, at a falling rank, to confirmed, to cancelled."""
    seen: dict[str, list[tuple[float, float, tuple[int, int]]]] = defaultdict(list)
    for asked in (*_requests(history, "book"), *history.of("look")):
        if asked.done:
            place = _place(asked.answer)
            seen[asked.answer["bookingReference"]].append((asked.began, asked.ended, place))
    for asked in _requests(history, "cancel"):
        if asked.done:
            seen[asked.reference].append((asked.began, asked.ended, (2, 0)))
    for moments in seen.values():
        moments.sort()
        by_end = sorted(moments, key=lambda moment: moment[1])
        ended, furthest = 0, (0, -LAST)
        for began, _, place in moments:
            while ended < len(by_end) and by_end[ended][1] < began:
                furthest = max(furthest, by_end[ended][2])
                ended += 1
            if place < furthest:
                yield f"a booking was seen at {furthest} and later at {place}"
                break


def _place(answer: dict[str, Any]) -> tuple[int, int]:
    """How far a booking has come; larger is later."""
    match answer["status"]:
        case "waiting":
            return 0, -answer.get(RANK, LAST)
        case "confirmed":
            return 1, 0
        case _:
            return 2, 0


def _repeats(history: History) -> Iterable[str]:
    """The same request under the same key is answered the same, however often it is sent."""
    answers: dict[tuple[str, str], list[Asked]] = defaultdict(list)
    for asked in history.asked:
        if asked.key is not None and not asked.unknown:
            answers[asked.what, asked.key].append(asked)
    for (what, key), given in answers.items():
        different = {(one.status, json.dumps(one.answer, sort_keys=True)) for one in given}
        if len(different) > 1:
            yield f"{what} under the key {key} was answered in {len(different)} ways"
