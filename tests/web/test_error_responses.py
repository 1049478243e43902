"""Every error has a status, a title and a sentence that names what the error tells."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NoReturn

import pytest
from flask import Flask
from markupsafe import Markup

from tests.support.servers import ROOT
from webapp import errors
from webapp.api.auth import Unauthorized
from webapp.booking.inventory import Closure
from webapp.errors import DomainError, EventClosed, Problem
from webapp.pages.attendee import AddressHasBooking
from webapp.pages.auth import WrongLogin
from webapp.pages.forms import Overtaken
from webapp.pages.organizer.by_hand import AttendeeHasBooking
from webapp.text.languages import ENGLISH
from webapp.text.sentences import HEADINGS, PROBLEMS, SENTENCES, problem_sentence, sentence_of
from webapp.web import security
from webapp.web.error_responses import HTTP_CODES, KINDS

NOON = datetime(2027, 5, 3, 12, tzinfo=UTC)
NOT_YET_OPEN = EventClosed(Closure.NOT_YET_OPEN, opens_at=NOON, time_zone="Europe/Berlin")
ERRORS: list[DomainError] = [
    errors.EventNotFound(),
    errors.TypeNotFound(),
    errors.TypeInUse(),
    errors.TypeInUse("code"),
    errors.CodeNotFound(),
    errors.CodeInUse(),
    errors.BookingNotFound(),
    errors.LinkReplaced(),
    errors.LinkReplaced("given"),
    errors.LinkReplaced("given_to", name="Grace"),
    errors.LinkExpired(),
    *map(errors.LinkExpired, ("address", "password")),
    errors.InsufficientAccess(level="book"),
    errors.TokenNotFound(),
    errors.PassEnded(),
    *map(errors.PassEnded, ("unknown", "ended", "revoked")),
    errors.PassMayNotSell(),
    errors.PassNotFound(),
    errors.NoAddress(),
    errors.AlreadyBooked(position=7),
    errors.AlreadyBooked("new_address", position=7),
    errors.AlreadyBooked("receiver", position=7),
    AddressHasBooking(),
    AddressHasBooking(is_mailed=False),
    AttendeeHasBooking(position=7),
    *(EventClosed(reason) for reason in Closure if reason is not Closure.NOT_YET_OPEN),
    EventClosed("has_bookings"),
    NOT_YET_OPEN,
    errors.SoldOut(),
    *map(errors.SoldOut, ("started", "at_once", "others_wait")),
    errors.TokenNeeded(),
    errors.WaitingListFull(),
    *map(errors.BookingClosed, ("not_active", "lapsed", "too_late", "not_waiting")),
    *map(errors.BookingClosed, ("not_confirmed", "unanswered", "admitted")),
    *map(errors.NotFree, ("others_wait", "not_next")),
    errors.NotFree(free=0),
    errors.NotFree(free=2),
    errors.NotFree("at_once", free=2),
    errors.IdempotencyConflict(),
    errors.NameTaken(username="ada"),
    errors.EditConflict({}, row=None),
    Overtaken({}, seen=1),
    Overtaken({}, seen=1, reason="picture"),
    *map(Unauthorized, ("login_needed", "reference_or_login_needed", "wrong_credentials")),
    WrongLogin(),
    errors.Unavailable(),
    errors.Unavailable("pictures"),
]


# Their sentences are those of their fields.
WRONG_INPUT = {errors.InvalidInput, errors.ChooseTicketType, errors.UnknownCode}


def subclasses(kind: type[DomainError]) -> set[type[DomainError]]:
    direct = kind.__subclasses__()
    return {*direct, *(below for one in direct for below in subclasses(one))}


def placeholders(template: str) -> set[str]:
    return {*re.findall(r"%\((\w+)\)s", template)}


def problems_raised() -> Iterator[tuple[str, set[str]]]:
    """Code and names of the parameters of each problem that the source makes."""
    for path in (ROOT / "webapp").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id in ("Problem", "wrong") and call.args:
                assert isinstance(call.args[0], ast.Constant), f"{path.name}:{call.lineno}"
                yield str(call.args[0].value), {str(given.arg) for given in call.keywords}


def test_every_error_has_a_status_and_a_title() -> None:
    for kind in subclasses(DomainError):
        status, title = KINDS[kind.code]
        assert 400 <= status < 600
        assert title


def test_every_code_is_one_that_can_be_answered() -> None:
    assert KINDS.keys() == {kind.code for kind in subclasses(DomainError)} | {*HTTP_CODES.values()}
    assert HEADINGS.keys() == KINDS.keys()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.kind)
def test_sentence_of_an_error_names_its_parameters(error: DomainError) -> None:
    # The zone is not told by itself: the moments are told in it.
    told = error.parameters.keys() - {"time_zone"}
    assert placeholders(SENTENCES[error.kind]) == told
    assert sentence_of(error, ENGLISH)[-1] == "."


def test_every_sentence_belongs_to_an_error() -> None:
    assert {type(error) for error in ERRORS} | WRONG_INPUT == subclasses(DomainError)
    assert SENTENCES.keys() == {error.kind for error in ERRORS} | {*HTTP_CODES.values()}


def test_sentence_of_a_problem_names_its_parameters() -> None:
    raised = list(problems_raised())
    for code, parameters in raised:
        assert placeholders(PROBLEMS[code]) == parameters, code
    assert PROBLEMS.keys() == {code for code, _ in raised}


def test_moment_is_told_on_the_clocks_of_the_event() -> None:
    assert sentence_of(NOT_YET_OPEN, ENGLISH) == "Booking opens on 3 May 2027, 14:00 CEST."


def test_markup_in_a_parameter_stays_markup() -> None:
    told = problem_sentence(Problem("changed_meanwhile", value=Markup("<bdi>&amp;</bdi>")), ENGLISH)
    assert told == Markup("Meanwhile changed to <bdi>&amp;</bdi>.")
    plain = problem_sentence(Problem("changed_meanwhile", value="<bdi>"), ENGLISH)
    assert not isinstance(plain, Markup)


def test_answer_of_the_api_stays_as_it_was_told(app: Flask) -> None:
    """The whole body, byte for byte: integrations compare it."""
    answer = app.test_client().post("/api/events/book", json={"userId": " ", "colour": 1})
    assert answer.mimetype == "application/problem+json"
    assert answer.text == (
        '{"code":"invalid_input","detail":"userId: Use 1 to 64 characters with no white space'
        ' around them.; eventId: Fill in this field.; colour: This field is not known.",'
        '"errors":{"colour":"This field is not known.","eventId":"Fill in this field.",'
        '"userId":"Use 1 to 64 characters with no white space around them."},'
        '"status":400,"title":"Invalid input",'
        f'"type":"{app.extensions["settings"].base_url}/api/docs#invalid_input"}}\n'
    )


def test_log_in_is_asked_for_by_the_api_and_never_by_a_page(own_app: Flask) -> None:
    """A browser would open a window of its own."""

    def refuse() -> NoReturn:
        raise Unauthorized("login_needed")

    own_app.add_url_rule("/page", view_func=refuse)
    page = own_app.test_client().get("/page")
    assert (page.status_code, page.headers.get("WWW-Authenticate")) == (401, security.ASK_BY_PAGE)
    answer = own_app.test_client().post("/api/events/initialize", json={})
    assert (answer.status_code, "Basic" in answer.headers["WWW-Authenticate"]) == (401, True)
