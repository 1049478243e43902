"""What the form on an event's page asks for, with and without ticket types."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from flask import request

from webapp.booking.commands import BookTickets
from webapp.booking.foresight import refuse_as_newcomer
from webapp.booking.queries import find_event
from webapp.booking.ticket_types import Wants, text_of
from webapp.booking.type_queries import names_of
from webapp.errors import InvalidInput, NotFree, Problem, SoldOut
from webapp.pages import types
from webapp.pages.choice import ANY, code_named
from webapp.pages.offer import offer_of
from webapp.web.schemas import Newcomer, PageBooking, WantedTickets, from_form


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for: `tickets`, and where the event has types how many of each.

    Of types it is `only_now` unless the form has said that it would join the waiting list.
    """

    name: str
    email: str
    tickets: int
    wants: Wants = field(default_factory=dict)
    code: str | None = None
    only_now: bool = False

    @property
    def content(self) -> dict[str, Any]:
        """What a one-time key is bound to."""
        who: dict[str, Any] = {"name": self.name, "email": self.email}
        if not self.wants:
            return {**who, "tickets": self.tickets}
        return {**who, "items": text_of(self.wants), "code": self.code}

    @property
    def of_types(self) -> dict[str, Any]:
        """What `book_tickets` takes besides; nothing for tickets that are all alike."""
        if not self.wants:
            return {}
        return {"wants": self.wants, "code": self.code, "only_now": self.only_now}

    def refuse_as_newcomer(self, event_id: int) -> None:
        """Raise what somebody without a booking would be told who sent the same form."""
        command = BookTickets("", self.tickets, wants=text_of(self.wants), code=self.code)
        refuse_as_newcomer(find_event(event_id), replace(command, only_now=self.only_now))

    @contextmanager
    def told(self, event_id: int) -> Iterator[None]:
        """Tell refusals at the rows of the form, and that it would be the waiting list."""
        with told_at_rows(event_id), self._told_that_it_waits(event_id):
            yield

    @contextmanager
    def _told_that_it_waits(self, event_id: int) -> Iterator[None]:
        try:
            yield
        except (NotFree, SoldOut) as error:
            if not self.only_now:
                raise
            # Where nobody could wait for it, that is what is told.
            replace(self, only_now=False).refuse_as_newcomer(event_id)
            raise NotFree("would_wait") from error


@contextmanager
def told_at_rows(event_id: int) -> Iterator[None]:
    """Tell what is wrong with the tickets that a form wants at the rows of their types."""
    try:
        yield
    except InvalidInput as error:
        if not types.has_rows(request.form):
            raise
        raise types.told_by_row(error, names_of(find_event(event_id))) from error


def tickets_wanted(form: Mapping[str, str]) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """How many tickets a booking is to have, and of which types.

    That is what a service is told besides, and what a one-time key is bound to.
    Raises `InvalidInput`, `ChooseTicketType`.
    """
    if wants := types.wanted_from_form(form):
        return sum(wants.values()), {"wants": wants}, {"items": text_of(wants)}
    tickets = from_form(WantedTickets, form).tickets
    return tickets, {}, {"tickets": tickets}


def wish_of_form(event_id: int) -> Wish:
    """The form of a booking. Raises `InvalidInput` for all that is wrong with it at once."""
    if types.has_rows(request.form):
        return _by_type(event_id, request.form)
    try:
        plain = from_form(PageBooking, request.form)
    except InvalidInput as error:
        problems, most = dict(error.problems), offer_of(find_event(event_id)).most
        if request.form.get("tickets", 1, type=int) > most:
            problems.setdefault("tickets", Problem("too_many_tickets", limit=most))
        raise InvalidInput(problems) from error
    return Wish(plain.name, plain.email, plain.tickets)


def _by_type(event_id: int, form: Mapping[str, str]) -> Wish:
    problems: dict[str, Problem] = {}
    who, wants = None, {}
    try:
        who = from_form(Newcomer, form)
    except InvalidInput as error:
        problems.update(error.problems)
    try:
        wants = types.wanted_from_form(form)
    except InvalidInput as error:
        problems.update(error.problems)
    if problems or who is None:
        raise InvalidInput(problems)
    promised = form.get("waits", "")
    return Wish(
        who.name,
        who.email,
        sum(wants.values()),
        wants,
        _code_for(event_id, wants, form),
        only_now=promised not in (ANY, text_of(wants)),
    )


def _code_for(event_id: int, wants: Wants, form: Mapping[str, str]) -> str | None:
    """The code of a form; one that is good, but for none of these types, goes unused."""
    named = code_named(event_id, form)
    if named.figures and not any(named.figures.is_for(number) for number in wants):
        return None
    return named.text or None
