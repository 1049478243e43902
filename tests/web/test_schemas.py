"""What pages and API accept, field by field."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.errors import InvalidInput
from webapp.text.languages import ENGLISH
from webapp.text.sentences import problem_sentences, sentence_of
from webapp.web.booking_schemas import BookRequest, CancelRequest
from webapp.web.code_schemas import CodeFields
from webapp.web.schemas import (
    EventFields,
    FindBookings,
    PageBooking,
    WantedTickets,
    attendee_id_of,
    from_form,
    from_json,
)

EVENT = {"eventName": "conference", "totalTickets": 100}
BOOKING = {"userId": 1, "eventId": 10}


def fields_refused(model: Any, data: Any, *, form: bool = False) -> set[str]:
    read = from_form if form else from_json
    with pytest.raises(InvalidInput) as refused:
        read(model, data)
    for field, sentence in problem_sentences(refused.value, ENGLISH).items():
        assert field
        assert sentence[0].isupper(), sentence
        assert sentence[-1] == ".", sentence
    return set(refused.value.problems)


def test_two_fields_make_a_published_open_event() -> None:
    fields = from_json(EventFields, EVENT)
    details = fields.details()
    assert (details.name, details.capacity, fields.status) == ("conference", 100, "published")
    assert details.max_tickets_per_booking == 10
    assert {details.starts_at, details.sales_open_at, details.waiting_list_limit} == {None}


@pytest.mark.parametrize("data", [None, [], "text", 7, True, [EVENT]])
def test_anything_but_an_object_is_refused(data: object) -> None:
    assert fields_refused(EventFields, data) == {"body"}


@pytest.mark.parametrize(
    "tickets",
    [True, "7", 0, -5, 2.5, 10**12, 10**400, None, "", [], {}, float("nan"), 7.0],
    ids=repr,
)
def test_number_of_tickets_is_a_positive_whole_number(tickets: object) -> None:
    assert fields_refused(EventFields, {**EVENT, "totalTickets": tickets}) == {"totalTickets"}
    assert fields_refused(BookRequest, {**BOOKING, "tickets": tickets}) == {"tickets"}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 201,
        "x" * 10_000,
        7,
        None,
        True,
        [],
        "a\x00b",
        "a\ud800",
        "a\nb",
        "\x1b[31m",
    ],
    ids=ascii,
)
def test_event_name_is_one_line_of_printable_text(name: object) -> None:
    assert fields_refused(EventFields, {**EVENT, "eventName": name}) == {"eventName"}


def test_text_in_any_language_is_kept_without_space_around_it() -> None:
    fields = from_json(EventFields, {**EVENT, "eventName": "  Fête 🎉 你好  "})
    assert fields.eventName == "Fête 🎉 你好"


@pytest.mark.parametrize("model", [EventFields, BookRequest, CancelRequest])
def test_unknown_json_field_is_refused_by_name(model: Any) -> None:
    data: dict[str, Any] = EVENT if model is EventFields else BOOKING
    assert fields_refused(model, {**data, "colour": "red"}) == {"colour"}


def test_missing_fields_are_all_named() -> None:
    assert fields_refused(EventFields, {}) == {"eventName", "totalTickets"}
    assert fields_refused(BookRequest, {}) == {"userId", "eventId"}


@pytest.mark.parametrize(
    "user_id",
    ["", " ", " a", "a ", "a\u00a0", "a\t", "x" * 65, True, False, 1.5, None, [], -1, 2**63,
     "a\x00", "\ud800", "a\nb"],
    ids=ascii,
)  # fmt: skip
def test_user_id_that_cannot_be_told_apart_is_refused(user_id: object) -> None:
    assert fields_refused(BookRequest, {**BOOKING, "userId": user_id}) == {"userId"}


@pytest.mark.parametrize("user_id", [0, 1, 2**63 - 1, "1", "a b", "ü", "😀", "x" * 64], ids=ascii)
def test_user_id_keeps_its_type_and_names_one_attendee(user_id: int | str) -> None:
    accepted = from_json(BookRequest, {**BOOKING, "userId": user_id})
    assert accepted.userId == user_id
    assert type(accepted.userId) is type(user_id)
    assert attendee_id_of(accepted.userId) == str(user_id)


def test_same_person_is_the_same_attendee_on_page_and_api() -> None:
    page = from_form(PageBooking, {"name": "Ada", "email": " Ada@Example.ORG ", "tickets": "2"})
    api = from_json(BookRequest, {**BOOKING, "userId": "ADA@example.org"})
    assert page.email == attendee_id_of(api.userId) == "ada@example.org"
    assert page.tickets == 2
    assert attendee_id_of("Ada") == "Ada"
    assert attendee_id_of(7) == attendee_id_of("7")


@pytest.mark.parametrize(
    "email",
    ["", "ada", "ada@", "@example.org", "a b@example.org", "ada@example", "a@b@example.org",
     "ada@example.org\nBcc: all@example.org", "x" * 255 + "@example.org", "a\ud800@example.org"],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_address_is_refused(email: str) -> None:
    assert fields_refused(BookRequest, {**BOOKING, "email": email}) == {"email"}
    assert fields_refused(FindBookings, {"email": email}, form=True) == {"email"}


@pytest.mark.parametrize("event_id", [True, "10", 0, -1, 2.5, 10**12 * 10**12, None])
def test_event_id_is_an_integer(event_id: object) -> None:
    assert fields_refused(BookRequest, {**BOOKING, "eventId": event_id}) == {"eventId"}


def test_cancel_names_one_booking() -> None:
    assert from_json(CancelRequest, BOOKING).eventId == 10
    assert from_json(CancelRequest, {"bookingReference": "a-b_C9"}).bookingReference == "a-b_C9"
    assert fields_refused(CancelRequest, {"userId": 1}) == {"eventId"}
    assert fields_refused(CancelRequest, {"eventId": 1}) == {"userId"}
    assert fields_refused(CancelRequest, {}) == {"userId"}
    both = {**BOOKING, "bookingReference": "abc"}
    assert fields_refused(CancelRequest, both) == {"bookingReference"}
    for wrong in ("", "a b", "a\n", "x" * 65, 7, "ü"):
        assert fields_refused(CancelRequest, {"bookingReference": wrong}) == {"bookingReference"}


def test_time_without_an_offset_is_in_the_zone_of_the_event() -> None:
    data = {**EVENT, "timeZone": "Europe/Berlin", "startsAt": "2027-05-03T19:30"}
    starts_at = from_json(EventFields, data).details().starts_at
    assert starts_at == datetime(2027, 5, 3, 17, 30, tzinfo=UTC)
    explicit = {**data, "startsAt": "2027-05-03T19:30:00-04:00"}
    assert from_json(EventFields, explicit).startsAt == datetime(2027, 5, 3, 23, 30, tzinfo=UTC)


def test_time_that_a_clock_change_leaves_out_is_refused() -> None:
    data = {**EVENT, "timeZone": "Europe/Berlin", "startsAt": "2027-03-28T02:30"}
    assert fields_refused(EventFields, data) == {"startsAt"}
    twice = {**data, "startsAt": "2027-10-31T02:30"}
    assert from_json(EventFields, twice).startsAt == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"timeZone": "../etc/passwd"}, "timeZone"),
        ({"startsAt": "tomorrow"}, "startsAt"),
        ({"startsAt": 1_800_000_000}, "startsAt"),
        ({"startsAt": True}, "startsAt"),
        ({"startsAt": "0001-01-01T00:00+14:00"}, "startsAt"),
        ({"startsAt": "9999-12-31T23:59-12:00"}, "startsAt"),
        ({"endsAt": "2027-05-03T19:30"}, "startsAt"),
        ({"startsAt": "2027-05-03T19:30", "endsAt": "2027-05-03T19:30"}, "endsAt"),
        ({"salesOpenAt": "2027-05-03T19:30", "salesCloseAt": "2027-05-02T19:30"}, "salesCloseAt"),
        ({"startsAt": "2027-05-03T19:30", "salesOpenAt": "2027-05-03T19:30"}, "salesOpenAt"),
        ({"startsAt": "2027-05-03T19:30", "salesCloseAt": "2027-05-04T00:00:01"}, "salesCloseAt"),
        ({"startsAt": "2027-05-03T19:30", "cancelUntil": "2027-05-04T00:00:01"}, "cancelUntil"),
        ({"maxTicketsPerBooking": 0}, "maxTicketsPerBooking"),
        ({"waitingListLimit": -1}, "waitingListLimit"),
        ({"waitingListLimit": True}, "waitingListLimit"),
        ({"status": "cancelled"}, "status"),
        ({"description": "x" * 20_001}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"totalTickets": 10_000_001}, "totalTickets"),
    ],
)
def test_wrong_detail_of_an_event_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    assert fields_refused(EventFields, {**EVENT, **changes}) == {field}


def test_form_takes_text_ignores_other_fields_and_empty_moments() -> None:
    fields = from_form(
        EventFields,
        {
            "eventName": "Conference",
            "totalTickets": "100",
            "startsAt": "",
            "waitingListLimit": "",
            "description": "one\r\ntwo",
            "csrf_token": "x",
            "requestKey": "y",
        },
    )
    assert (fields.totalTickets, fields.startsAt, fields.waitingListLimit) == (100, None, None)
    for wrong in ("", "2.5", "seven", "-1", "0", "1e3", "9" * 5000):
        assert fields_refused(WantedTickets, {"tickets": wrong}, form=True) == {"tickets"}


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(
            [*EventFields.model_fields, "items", "code", "types", "limit", "odd", "\ud800"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)
            ),
            max_leaves=4,
        ),
    ),
    st.sampled_from([EventFields, BookRequest, CancelRequest, PageBooking, CodeFields]),
)
def test_whatever_is_sent_is_accepted_or_refused_with_words_that_can_be_sent_back(
    data: dict[str, object], model: Any
) -> None:
    words = ""
    try:
        words = from_json(model, data).model_dump_json()
    except InvalidInput as refused:
        words = f"{refused} {sentence_of(refused, ENGLISH)}"
    assert words.encode()
