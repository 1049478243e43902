"""Name and address are corrected, tickets go to somebody else, and everybody knows whom to ask."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from tests.pages.conftest import Person, forms_of, text_of
from tests.support.terms import MAIL_URL
from tests.support.tools import rows
from webapp.accounts.contacts import Contact, contact_of, set_contact
from webapp.booking.commands import organizer
from webapp.booking.links import Purpose, Token, make_token, state_of
from webapp.booking.queries import find_booking
from webapp.events.services import cancel_event
from webapp.storage.engines import write_engine
from webapp.verify.services import verify

MakeEvent = Callable[..., int]
Book = Callable[..., str]
GRACE: dict[str, Any] = {"name": "Grace Hopper", "email": "grace@example.org"}


@pytest.fixture
def mailing(make_app: Callable[..., Flask]) -> Flask:
    """The application with a mail server, which is never asked."""
    return make_app(MAIL_URL=MAIL_URL, BASE_URL="http://localhost")


def mails(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        found = rows("SELECT what, recipient FROM delivery ORDER BY id")
        return [(row.what, row.recipient) for row in found]


def test_page_of_a_booking_says_what_comes_by_mail_and_nothing_else(
    app: Flask, make_event: MakeEvent, book: Book, make_app: Callable[..., Flask]
) -> None:
    event_id = make_event(tickets=1)
    paths = [f"/bookings/{book(event_id, name)}" for name in ("Ada", "Grace")]
    told = [text_of(Person(app).get(path)) for path in paths]
    assert "Booked with ada@example.org . No mails are sent from here" in told[0]
    assert "Booked with grace@example.org . No mails are sent from here" in told[1]
    assert "also mail" not in told[1]
    answer = Person(app).submit("/bookings", email="ada@example.org")
    assert "is on its way" not in text_of(Person(app).get("/bookings"))
    assert answer.status_code == 303
    person = Person(make_app(MAIL_URL=MAIL_URL, BASE_URL="http://localhost"))
    told = [text_of(person.get(path)) for path in paths]
    assert "The ticket goes by mail to ada@example.org" in told[0]
    assert "We also mail grace@example.org when you move up" in told[1]


def test_name_is_corrected_and_a_new_address_asked_without_saying_whose_it_is(
    mailing: Flask, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event()
    mine = f"/bookings/{book(event_id, 'Ada')}"
    book(event_id, "Grace")
    person, told = Person(mailing), []
    for email in ("grace@example.org", "eve@example.org"):
        answer = person.submit(f"{mine}/correct", name="Ada Lovelace", email=email)
        assert (answer.status_code, answer.location) == (303, mine)
        told.append(text_of(person.get(mine)).replace(email, ""))
    assert "Ada Lovelace" in told[0]
    assert told[0].replace("The name is corrected. ", "") == told[1]
    assert mails(mailing)[2:] == [
        ("new_address", "grace@example.org"),
        ("new_address", "eve@example.org"),
    ]
    wrong = person.submit(f"{mine}/correct", name=" ", email="nobody")
    assert wrong.status_code == 400
    assert wrong.text.count('class="error"') == 2
    assert "ada@example.org" in text_of(person.get(mine))


def test_correcting_has_its_limits(mailing: Flask, make_event: MakeEvent, book: Book) -> None:
    mine = f"/bookings/{book(make_event(), 'Ada')}"
    person = Person(mailing)
    answers = [
        person.submit(f"{mine}/correct", name="Ada", email=f"guest{number}@example.org").status_code
        for number in range(6)
    ]
    assert answers == [303] * 5 + [429]


@pytest.mark.every_database
def test_ticket_is_given_to_somebody_else(
    mailing: Flask, owner: Person, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event()
    reference = book(event_id, "Ada", 2)
    mine, person = f"/bookings/{reference}", Person(mailing)
    asked = person.submit(f"{mine}/give", **GRACE)
    assert asked.status_code == 200
    assert "Is the address right?" in text_of(asked)
    assert len(mails(mailing)) == 1
    form = forms_of(asked)[f"{mine}/give"]
    for _ in range(2):
        answer = person.client.post(f"{mine}/give", data=form)
        assert (answer.status_code, answer.location) == (303, f"{mine}/given")
    page = person.get(f"{mine}/given")
    assert "Grace Hopper has the ticket now." in text_of(page)
    gone = person.get(mine)
    assert gone.status_code == 410
    assert "This ticket was given to Grace Hopper." in text_of(gone)
    with mailing.app_context():
        [row] = rows("SELECT reference, email, name FROM booking")
        assert (row.email, row.name) == ("grace@example.org", "Grace Hopper")
        assert verify().broken == []
    for shown in (page, gone):
        assert row.reference not in shown.text
        assert "no-store" in shown.headers["Cache-Control"]
    assert mails(mailing)[-2:] == [
        ("ticket_given", "ada@example.org"),
        ("ticket_received", "grace@example.org"),
    ]
    told = text_of(owner.get(f"/organizer/events/{event_id}/bookings/1"))
    assert "given to somebody else by the attendee" in told.partition("History")[2]
    assert person.get(f"/bookings/{row.reference}/given").status_code == 404


def test_receiver_with_a_booking_is_mailed_and_nothing_is_given(
    mailing: Flask, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(tickets=1)
    mine, behind = (f"/bookings/{book(event_id, name)}" for name in ("Ada", "Grace"))
    person = Person(mailing)
    asked = person.submit(f"{mine}/give", **GRACE)
    refused = person.client.post(f"{mine}/give", data=forms_of(asked)[f"{mine}/give"])
    assert refused.status_code == 409
    assert "the ticket cannot go to it. You keep it." in text_of(refused)
    assert forms_of(refused)[f"{mine}/give"]["email"] == GRACE["email"]
    assert person.get(mine).status_code == 200
    assert mails(mailing)[-1] == ("links", "grace@example.org")
    # A place in line is nobody's to give.
    assert f"{behind}/give" not in person.get(behind).text
    assert person.get(f"{behind}/give").location == behind


def test_without_mails_the_giver_passes_the_link_on(
    person: Person, app: Flask, make_event: MakeEvent, book: Book
) -> None:
    mine = f"/bookings/{book(make_event(), 'Ada')}"
    asked = person.submit(f"{mine}/give", **GRACE)
    assert "you get the new link to pass on" in text_of(asked)
    answer = person.client.post(f"{mine}/give", data=forms_of(asked)[f"{mine}/give"])
    told = text_of(person.get(answer.location))
    with app.app_context():
        [row] = rows("SELECT reference FROM booking")
        assert f"/bookings/{row.reference} " in told
        assert find_booking(row.reference).booking.name == "Grace Hopper"
    assert row.reference not in text_of(person.get(answer.location))


def test_where_addresses_are_asked_nothing_is_told_and_the_button_gives(
    mailing: Flask, make_event: MakeEvent, book: Book
) -> None:
    starts_at = datetime.now(UTC) + timedelta(days=3)
    event_id = make_event(starts_at=starts_at)
    mine = f"/bookings/{book(event_id, 'Ada')}"
    book(event_id, "Bob")
    with mailing.app_context(), write_engine().begin() as connection:
        connection.execute(text("UPDATE event SET asks_address = 1"))
    person, told = Person(mailing), []
    for name in ("Grace", "Bob"):
        email = f"{name.lower()}@example.org"
        asked = person.submit(f"{mine}/give", name=name, email=email)
        answer = person.client.post(f"{mine}/give", data=forms_of(asked)[f"{mine}/give"])
        assert answer.location == mine
        told.append(text_of(person.get(mine)).replace(email, ""))
    assert told[0] == told[1]
    assert "until then it stays yours" in told[0]
    with mailing.app_context():
        state = state_of(find_booking(mine.removeprefix("/bookings/")).booking)
        said = [Token(event_id, 1, state, f"{name}@example.org", name) for name in ("bob", "grace")]
        tokens = [make_token(Purpose.TICKET_OFFER, each) for each in said]
    taking = Person(mailing)
    pages = [f"/bookings/take-over?token={token}" for token in tokens]
    refused = taking.submit(pages[0], "/bookings/take-over")
    assert refused.status_code == 409
    answer = taking.submit(pages[1], "/bookings/take-over")
    assert answer.status_code == 303
    assert "The ticket is yours." in text_of(taking.get(answer.location))
    assert person.get(mine).status_code == 410
    assert taking.submit(pages[1], "/bookings/take-over").location == answer.location


def test_contact_is_shown_where_it_is_set_and_nobody_is_sent_to_nobody(
    owner: Person, owner_id: int, app: Flask, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event(cancel_until=datetime.now(UTC) - timedelta(hours=1), tickets=1)
    mine = f"/bookings/{book(event_id, 'Ada')}"
    person = Person(app)
    pages = (f"/events/{event_id}-harvest-supper", mine)
    for path in pages:
        assert "Questions?" not in text_of(person.get(path))
        assert "sk the organizer" not in text_of(person.get(path))
    path, notices = "/organizer/settings/account/contact", "/organizer/settings/account"
    wrong = owner.submit(notices, path, contact_name="a\x07", contact_email="nobody")
    assert wrong.status_code == 400
    form = forms_of(owner.get(notices))[path]
    saved = owner.submit(
        notices, path, contact_name="Choir & <Friends>", contact_email="Choir@Example.org"
    )
    assert saved.status_code == 303
    for path_ in pages:
        page = person.get(path_)
        assert "by Choir &amp; &lt;Friends&gt;" in text_of(page)
        assert 'href="mailto:choir@example.org"' in page.text
    # A form from before overwrites nothing unseen.
    stale = owner.client.post(path, data={**form, "contact_name": "Band", "contact_email": ""})
    assert stale.status_code == 409
    assert "Meanwhile changed to choir@example.org ." in text_of(stale)
    assert owner.client.post(path, data=forms_of(stale)[path]).status_code == 303
    with app.app_context():
        assert contact_of(owner_id) == Contact("Band", "")
        set_contact(owner_id, Contact())
    for path_ in pages:
        assert "Choir" not in text_of(person.get(path_))


def test_cancelled_event_says_why(
    owner: Person, owner_id: int, app: Flask, make_event: MakeEvent, book: Book
) -> None:
    event_id = make_event()
    mine = f"/bookings/{book(event_id, 'Ada')}"
    book(event_id, "Grace")
    path = f"/organizer/events/{event_id}/cancel"
    assert "nobody is told by mail" in text_of(owner.get(path))
    for reason in ("a\x07b", "x" * 1001):
        assert owner.submit(path, reason=reason).status_code == 400
    assert owner.submit(path, reason=" The <b>choir</b> is ill.\r\nSorry! ").status_code == 303
    for page in (f"/events/{event_id}-harvest-supper", mine, f"{path[:-7]}/history"):
        assert "The &lt;b&gt;choir&lt;/b&gt; is ill. Sorry!" in text_of(owner.get(page))
    with app.app_context():
        cancel_event(event_id, actor=organizer(owner_id), reason="another one")
        [row] = rows("SELECT cancel_reason FROM event")
        assert row.cancel_reason == "The <b>choir</b> is ill.\nSorry!"
        assert verify().broken == []


def test_organizer_corrects_and_gives_for_somebody(
    mailing: Flask, owner_id: int, make_event: MakeEvent, book: Book
) -> None:
    owner, event_id = Person(mailing), make_event()
    owner.log_in()
    for name in ("Ada", "Grace"):
        book(event_id, name)
    here = f"/organizer/events/{event_id}/bookings/1"
    answer = owner.submit(f"{here}/correct", name="Ada Lovelace", email="al@example.org")
    assert (answer.status_code, answer.location) == (303, here)
    assert mails(mailing)[-1] == ("new_address", "al@example.org")
    refused = owner.submit(f"{here}/give", **GRACE)
    assert refused.status_code == 409
    assert "number 2." in text_of(refused)
    bob: dict[str, Any] = {"name": "Bob", "email": "bob@example.org"}
    page = owner.get(owner.submit(f"{here}/give", **bob).location)
    assert "Bob has the ticket now." in text_of(page)
    assert "given to somebody else by you" in text_of(page)
    with mailing.app_context():
        assert [row.email for row in rows("SELECT email FROM booking ORDER BY position")] == [
            "bob@example.org",
            "grace@example.org",
        ]
        assert verify().broken == []
