"""The form of an event: who is told of a change, its times, its picture, its preview, its end."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.pages.conftest import PASSWORD, Person, forms_of, text_of
from tests.pages.test_pictures import drawn, send, urls_on
from tests.support.tools import rows
from webapp.accounts import services as accounts
from webapp.booking.queries import find_event
from webapp.events.imaging import LARGEST_FILE
from webapp.verify.services import verify
from webapp.web import kept_pages

MakeEvent = Callable[..., int]
Book = Callable[..., str]

NEW = "/organizer/events/new"
START = datetime(2031, 7, 1, 17, 30, tzinfo=UTC)
EVENT: dict[str, Any] = {"eventName": "Fair", "totalTickets": 9, "timeZone": "Europe/Berlin"}


def path_of(event_id: int) -> str:
    return f"/organizer/events/{event_id}/edit"


def told() -> list[Any]:
    return list(rows("SELECT recipient FROM delivery WHERE what = 'event_changed'"))


def saved(owner: Person, answer: TestResponse) -> str:
    assert answer.status_code == 303
    return text_of(owner.get(answer.location))


def test_nobody_is_told_of_another_date_unless_the_box_is_ticked(
    app: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(starts_at=START, time_zone="Europe/Berlin")
    for name in ("Ada", "Grace"):
        book(event_id, name)
    path = path_of(event_id)
    assert "Tell 2 people by mail" in text_of(owner.get(path))
    with app.app_context():
        assert "Nobody was told." in saved(owner, owner.submit(path, startsAt="2031-07-02"))
        assert told() == []
        # What nobody has to hear of is not told, whatever is ticked.
        page = saved(owner, owner.submit(path, description="Soup", tellAttendees="true"))
        assert "told" not in page.partition("Saved.")[2][:40]
        assert told() == []
        answer = owner.submit(path, location="Barn", tellAttendees="true")
        assert "2 people are told by mail." in saved(owner, answer)
        assert len(told()) == 2


def test_box_is_there_where_somebody_could_be_told(
    owner: Person, make_event: MakeEvent, book: Book
) -> None:
    assert "tellAttendees" not in owner.get(path_of(make_event())).text
    event_id = make_event()
    book(event_id, "Ada")
    page = owner.submit(path_of(event_id), eventName="", tellAttendees="true")
    assert forms_of(page)[path_of(event_id)]["tellAttendees"] == "true", "a refusal keeps the tick"


@pytest.mark.parametrize(
    ("fields", "starts", "ends"),
    [
        ({"startsAt": "2031-07-01", "startTime": "19:30", "duration": "90"}, START, 1.5),
        ({"startsAt": "2031-07-01", "startTime": "19:30", "duration": ""}, START, None),
        (
            {"startsAt": "2031-07-01", "startTime": "19:30", "duration": "other"}
            | {"endsAt": "2031-07-03T18:00"},
            START,
            46.5,
        ),
        # What is chosen counts, whatever a field says that nobody sees then.
        (
            {"startsAt": "2031-07-01", "startTime": "19:30", "duration": "120"}
            | {"endsAt": "2031-07-03T18:00"},
            START,
            2,
        ),
        ({"startsAt": "", "startTime": "", "duration": "120"}, None, None),
        # Through the night in which clocks go back it lasts as long as it says.
        (
            {"startsAt": "2031-10-25", "startTime": "22:00", "duration": "480"},
            datetime(2031, 10, 25, 20, 0, tzinfo=UTC),
            8,
        ),
    ],
)
def test_end_follows_from_start_and_duration(
    app: Flask, owner: Person, fields: dict[str, str], starts: datetime | None, ends: float | None
) -> None:
    answer = owner.submit(NEW, **{**EVENT, **fields, "status": "published"})
    assert answer.status_code == 303
    with app.app_context():
        event = find_event(int(answer.location.rpartition("/")[2]))
    assert event.starts_at == starts
    lasts = event.ends_at and starts and event.ends_at - starts
    assert lasts == (None if ends is None else timedelta(hours=ends))
    shown = forms_of(owner.get(f"{answer.location}/edit"))[path_of(event.id)]
    wanted = {name: shown[name] for name in fields if name != "endsAt"}
    assert wanted.items() <= {**fields, "duration": fields["duration"] or shown["duration"]}.items()


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"startsAt": "2031-07-01", "startTime": ""}, "startTime", "Fill in this field"),
        ({"startsAt": "", "startTime": "19:30"}, "startsAt", "Fill in this field"),
        ({"startsAt": "tomorrow", "startTime": "19:30"}, "startsAt", "Use a date and time"),
        ({"startsAt": "2031-07-01", "startTime": "25:99"}, "startsAt", "Use a date and time"),
        (
            {"startsAt": "2031-03-30", "startTime": "02:30", "duration": "120"},
            "startsAt",
            "does not exist",
        ),
        ({"startsAt": "2031-07-01", "startTime": "19:30", "duration": "-5"}, "duration", "cannot"),
        ({"startsAt": "9998-12-31", "startTime": "23:30", "duration": "1440"}, "endsAt", "year"),
    ],
)
def test_times_that_cannot_be_meant_are_refused_at_their_field(
    owner: Person, fields: dict[str, str], field: str, said: str
) -> None:
    answer = owner.submit(NEW, **{**EVENT, **fields, "status": "draft"})
    assert answer.status_code == 400
    assert said in answer.text.partition(f'id="{field}-error">')[2].partition("</p>")[0]
    again = forms_of(answer)[NEW]
    shown = {name: text for name, text in fields.items() if name != field}
    assert again.items() >= {**shown, "eventName": "Fair"}.items()


def test_another_start_moves_the_end_and_a_form_of_the_release_before_still_counts(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(
        time_zone="Europe/Berlin", starts_at=START, ends_at=START + timedelta(hours=3)
    )
    path = path_of(event_id)
    assert owner.submit(path, startTime="20:30").status_code == 303
    history = text_of(owner.get(f"/organizer/events/{event_id}/history"))
    assert "Ends: " in history
    old = {"startsAt": "2031-07-02T18:00", "endsAt": "2031-07-02T19:10"}
    fields = {**forms_of(owner.get(path))[path], **old}
    del fields["startTime"], fields["duration"]
    assert owner.client.post(path, data=fields).status_code == 303
    shown = forms_of(owner.get(path))[path]
    assert (shown["startTime"], shown["duration"]) == ("18:00", "other")
    assert shown["endsAt"] == "2031-07-02T19:10"


def test_what_enter_presses_first_saves_a_draft(owner: Person) -> None:
    page = owner.get(NEW).text
    form = page[page.index('id="event-form"') :]
    assert form.index('value="draft"') < form.index('value="published"')


def test_picture_comes_with_the_new_event(
    app: Flask, owner: Person, person: Person, make_event: MakeEvent
) -> None:
    fields = {**forms_of(owner.get(NEW))[NEW], **{k: str(v) for k, v in EVENT.items()}}
    fields |= {"status": "published", "pictureDescription": "A choir"}
    refused = send(owner, NEW, b"words", **fields)
    assert refused.status_code == 400
    assert "no picture that can be read" in text_of(refused)
    assert "Choose the file again." in text_of(refused)
    again = {**forms_of(refused)[NEW], "status": "published"}
    assert again["pictureDescription"] == "A choir"
    too_large = send(owner, NEW, b"x" * (LARGEST_FILE + 1), **again)
    assert (too_large.status_code, "at most 12" in text_of(too_large)) == (400, True)
    again = {**forms_of(too_large)[NEW], "status": "published"}
    first = send(owner, NEW, drawn(), **again)
    assert first.status_code == 303
    assert send(owner, NEW, drawn(), **again).location == first.location, "sent twice is one event"
    assert send(owner, NEW, drawn((300, 300)), **again).status_code == 422
    page = person.client.get(f"/events/{first.location.rpartition('/')[2]}", follow_redirects=True)
    assert 'alt="A choir"' in page.text
    (shown,) = {url for url in urls_on(page) if "large" in url}
    # And goes along with the next one, unless another is sent.
    like = f"{NEW}?like={first.location.rpartition('/')[2]}"
    copy = owner.submit(like, NEW, eventName="Copy", startsAt="", startTime="", status="published")
    page = person.client.get(f"/events/{copy.location.rpartition('/')[2]}", follow_redirects=True)
    assert {url.rpartition("/")[2] for url in urls_on(page)} >= {shown.rpartition("/")[2]}


def test_draft_is_previewed_by_its_owner_and_by_nobody_else(
    app: Flask, owner: Person, person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event("Secret Merger", published=False, starts_at=START, description="Hush")
    path = f"/events/{event_id}-secret-merger"
    for _ in range(2):
        page = owner.get(path)
        assert page.status_code == 200
        assert "Draft: only you see this." in text_of(page)
        assert "Hush" in page.text
        assert page.headers["Cache-Control"] == "private, no-store"
        assert owner.get(f"/events/{event_id}").status_code == 200
        with app.app_context():
            accounts.create_organizer(username=f"other{_}", password=PASSWORD)
        other = Person(app)
        other.log_in(f"other{_}")
        for visitor in (person, other):
            answer = visitor.get(path)
            assert answer.status_code == 404
            assert "Merger" not in answer.text
            assert "Hush" not in answer.text
    with app.app_context():
        assert not any("Hush" in str(parts) for parts in kept_pages._pages.own.values())
    token = owner.token("/")
    form = {**token, "name": "Ada", "email": "ada@example.org", "tickets": "1"}
    assert owner.client.post(path, data=form).status_code == 404, "a draft is not booked"


def test_cancelled_draft_is_never_public(
    owner: Person, person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event("Secret Merger", published=False)
    path = f"/organizer/events/{event_id}/cancel"
    assert owner.submit(path, path).status_code == 303
    for address in (f"/events/{event_id}-secret-merger", f"/events/{event_id}"):
        for visitor in (person, owner):
            assert visitor.get(address).status_code == 404
    for call in (f"/api/events/{event_id}", f"/api/events/status/{event_id}"):
        assert person.get(call).status_code == 404
    assert "Merger" not in person.get("/calendar.ics").text
    published = make_event("Known Fair")
    cancel = f"/organizer/events/{published}/cancel"
    owner.submit(cancel, cancel, reason="Rain")
    page = person.client.get(f"/events/{published}", follow_redirects=True)
    assert "Rain" in text_of(page), "who has the link of a published one is told"


def test_event_without_bookings_is_deleted_with_all_that_is_its_own(
    app: Flask, owner: Person, person: Person, make_event: MakeEvent, book: Book
) -> None:
    fields = {**forms_of(owner.get(NEW))[NEW], **{k: str(v) for k, v in EVENT.items()}}
    made = send(owner, NEW, drawn(), **fields, status="published").location
    event_id = int(made.rpartition("/")[2])
    kept = make_event("Kept")
    path = f"{made.removeprefix('http://localhost')}/delete"
    form = forms_of(owner.get(path))[path]
    answer = owner.client.post(path, data=form)
    assert "Fair is deleted." in saved(owner, answer)
    assert owner.client.post(path, data=form).status_code == 404
    assert person.get(f"/events/{event_id}").status_code == 404
    with app.app_context():
        assert verify().broken == []
        assert rows(f"SELECT 1 FROM activity WHERE event_id = {event_id}") == []
    book(kept, "Ada")
    assert "It has bookings" in text_of(owner.get(f"/organizer/events/{kept}/delete"))
    token = owner.token(path_of(make_event("Other")))
    late = owner.client.post(f"/organizer/events/{kept}/delete", data=token)
    assert (late.status_code, "has bookings" in text_of(late)) == (409, True)
