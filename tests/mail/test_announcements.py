"""Organizers write to attendees, see what became of it, and hear what they asked for."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.mail.conftest import BASE_URL, Book, Clock, Drain, MakeEvent, Outside
from tests.support.mail import Mailbox, words_of
from tests.support.tools import set_own_address
from webapp.accounts import services as accounts
from webapp.booking import services as bookings
from webapp.booking.commands import organizer
from webapp.booking.queries import find_event
from webapp.events.services import cancel_event
from webapp.extensions import db
from webapp.mail import announcements, scheduled
from webapp.mail.worker import Deliverer
from webapp.storage.rows import DeliveryRow
from webapp.storage.tables import deliveries

TEXT = "Bring a coat.\r\n\r\nIt is cold: https://weather.example/today"


@pytest.fixture
def owner(app: Flask, owner_id: int) -> FlaskClient:
    return logged_in(app, "owner")


def logged_in(app: Flask, username: str) -> FlaskClient:
    client = app.test_client()
    answer = post(client, "/login", "/login", username=username, password="a password for tests")
    assert answer.status_code == 303
    return client


def post(client: FlaskClient, page: str, path: str, **fields: str) -> TestResponse:
    """Send a form of a page, with its token."""
    shown = client.get(page, base_url=BASE_URL, follow_redirects=True).text
    token = re.findall(r'csrf_token" value="([^"]+)', shown)[-1]
    key = re.findall(r'requestKey" value="([^"]+)', shown)[-1]
    data = {"csrf_token": token, "requestKey": key, **fields}
    return client.post(path, data=data, base_url=BASE_URL)


def write(client: FlaskClient, event_id: int, **fields: str) -> TestResponse:
    mails = f"/organizer/events/{event_id}/mails"
    values = {"audience": "all", "subject": "A word", "text": TEXT, **fields}
    return post(client, mails, mails, **values)


def parked(event_id: int) -> Sequence[DeliveryRow]:
    event = find_event(event_id)
    return announcements.parked(event, actor=organizer(event.organizer_id))


def recipients(mailbox: Mailbox, subject: str) -> Counter[str]:
    pairs = zip(mailbox.recipients, mailbox.messages, strict=True)
    return Counter(recipient for recipient, message in pairs if message["Subject"] == subject)


def test_message_is_previewed_and_then_sent_once_to_each_person(
    owner: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=2)
    for name in ("ada", "bob", "carol"):
        book(event_id, name)
    # One person with two bookings, by way of an integration.
    bookings.book_tickets(event_id, attendee_id="7", email="ada@example.org")
    drain()
    mails = f"/organizer/events/{event_id}/mails"
    shown = post(owner, mails, f"{mails}/preview", audience="all", subject="A word", text=TEXT)
    assert "This goes to 3 people." in shown.text
    assert "It is cold" in shown.text
    drain()
    assert not recipients(mailbox, "A word")
    token = re.findall(r'csrf_token" value="([^"]+)', shown.text)[-1]
    key = re.findall(r'requestKey" value="([^"]+)', shown.text)[-1]
    data = {"audience": "all", "subject": "A word", "text": TEXT}
    for _ in range(2):
        form = {**data, "csrf_token": token, "requestKey": key}
        assert owner.post(mails, data=form, base_url=BASE_URL).status_code == 303
    drain()
    everybody = ("ada@example.org", "bob@example.org", "carol@example.org")
    assert recipients(mailbox, "A word") == dict.fromkeys(everybody, 1)
    assert "3 of 3 mails sent" in owner.get(mails, base_url=BASE_URL).text


def test_text_comes_back_from_the_preview_and_after_what_went_wrong(
    owner: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=1)
    for name in ("ada", "bob"):
        book(event_id, name)
    mails = f"/organizer/events/{event_id}/mails"
    typed = {"audience": "waiting", "subject": "A word", "text": TEXT}
    preview = post(owner, mails, f"{mails}/preview", **typed)
    assert "Back to the text" in preview.text
    back = post(owner, mails, mails, **typed, back="yes")
    lost = owner.post(mails, data={**typed, "csrf_token": "of another day"}, base_url=BASE_URL)
    assert (back.status_code, lost.status_code) == (200, 400)
    for page in (back, lost):
        assert '<option value="waiting" selected>' in page.text
        assert 'value="A word"' in page.text
        assert TEXT in page.text
    drain()
    assert not recipients(mailbox, "A word")


@pytest.mark.every_database
def test_people_of_a_cancelled_event_can_still_be_written_to(
    owner: FlaskClient,
    owner_id: int,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
) -> None:
    event_id = make_event(tickets=2)
    for name in ("gone", "ada", "bob", "carol"):
        receipt = book(event_id, name)
        if name == "gone":
            bookings.cancel_booking(event_id, position=receipt.position)
    write(owner, event_id, subject="Before")
    cancel_event(event_id, actor=organizer(owner_id), reason="Rain")
    mails = f"/organizer/events/{event_id}/mails"
    shown = post(owner, mails, f"{mails}/preview", audience="all", subject="x", text="y")
    assert "This goes to 3 people." in shown.text
    for audience in ("all", "confirmed", "waiting"):
        write(owner, event_id, subject=audience, audience=audience)
    drain()
    ada, bob, carol = ("ada@example.org", "bob@example.org", "carol@example.org")
    assert recipients(mailbox, "all") == dict.fromkeys((ada, bob, carol), 1)
    assert recipients(mailbox, "confirmed") == dict.fromkeys((ada, bob), 1)
    assert recipients(mailbox, "waiting") == {carol: 1}
    assert not recipients(mailbox, "Before"), "what was written for the event is not sent after it"


@pytest.mark.parametrize(
    ("audience", "names"), [("all", "abc"), ("confirmed", "ab"), ("waiting", "c")]
)
def test_message_reaches_its_audience(
    owner: FlaskClient,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    audience: str,
    names: str,
) -> None:
    event_id = make_event(tickets=2)
    gone = book(event_id, "gone")
    bookings.cancel_booking(event_id, position=gone.position)
    for name in "abc":
        book(event_id, name)
    write(owner, event_id, audience=audience)
    drain()
    assert recipients(mailbox, "A word") == {f"{name}@example.org": 1 for name in names}


def test_message_can_be_answered_and_unsubscribed_from(
    app: Flask,
    owner: FlaskClient,
    owner_id: int,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
) -> None:
    set_own_address(owner_id, email="owner@example.org", wants_sold_out=False, wants_summary=False)
    event_id = make_event(tickets=5)
    book(event_id, "ada")
    write(owner, event_id)
    drain()
    message = mailbox.to("ada@example.org")[-1]
    assert message["Reply-To"] == "owner@example.org"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert '<a href="https://weather.example/today"' in words_of(message, "html")
    link = message["List-Unsubscribe"].strip("<>")
    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in mailbox.contents[-1]
    assert link in words_of(message)
    path = urlsplit(link).path
    stranger = app.test_client()
    assert "No more messages?" in stranger.get(path, base_url=BASE_URL).text
    write(owner, event_id, subject="Again")
    drain()
    assert recipients(mailbox, "Again") == {"ada@example.org": 1}, "following is not enough"
    data = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):
        stopped = stranger.post(path, data=data, base_url=BASE_URL)
        assert stopped.status_code == 200
        assert "No more messages" in stopped.text
    write(owner, event_id, subject="Once more")
    bookings.cancel_booking(event_id, attendee_id="ada@example.org")
    drain()
    assert not recipients(mailbox, "Once more")
    assert mailbox.to("ada@example.org")[-1]["Subject"].startswith("Your booking is cancelled")


def path_in_last_mail(mailbox: Mailbox, address: str) -> str:
    """Where the mail program sends its form to have no more of these."""
    return urlsplit(str(mailbox.to(address)[-1]["List-Unsubscribe"]).strip("<>")).path


def test_messages_can_be_switched_on_again(
    app: Flask,
    owner: FlaskClient,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "ada")
    write(owner, event_id)
    drain()
    path, reader = path_in_last_mail(mailbox, "ada@example.org"), app.test_client()
    reader.post(path, base_url=BASE_URL)
    shown = reader.get(path, base_url=BASE_URL).text
    [again] = re.findall(r'action="(/messages/[^"]+)"', shown)
    assert "No more messages" in shown
    for _ in range(2):
        resumed = reader.post(again, base_url=BASE_URL)
        assert resumed.status_code == 200
        assert "Messages again" in resumed.text
    write(owner, event_id, subject="Once more")
    drain()
    assert recipients(mailbox, "Once more") == {"ada@example.org": 1}


def test_who_books_with_somebodys_address_cannot_stop_their_messages(
    app: Flask,
    owner: FlaskClient,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
) -> None:
    """A reference is no token, and a token is good for the place and address it was mailed for."""
    event_id, stranger = make_event(tickets=5), app.test_client()
    book(event_id, "ada")
    own = bookings.book_tickets(event_id, attendee_id="7", email="ada@example.org")
    book(event_id, "eve")
    write(owner, event_id)
    drain()
    place, _, token = path_in_last_mail(mailbox, "eve@example.org").rpartition("/")
    of_ada = place.rpartition("/")[0] + "/1"
    for path in (
        f"/bookings/{own.reference}/messages",
        f"{of_ada}/{token}",
        f"{of_ada}/{own.reference}",
        f"{of_ada}/caf%C3%A9",
        f"{place}9/{token}",
        f"/messages/{event_id + 1}/3/{token}",
    ):
        for form in (path, f"{path}/again"):
            assert stranger.post(form, base_url=BASE_URL).status_code == 404
        assert stranger.get(path, base_url=BASE_URL).status_code == 404
    write(owner, event_id, subject="Again")
    drain()
    assert recipients(mailbox, "Again") == {"ada@example.org": 1, "eve@example.org": 1}


def test_who_unsubscribes_meanwhile_gets_nothing(
    app: Flask,
    owner: FlaskClient,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "ada")
    write(owner, event_id)
    drain()
    write(owner, event_id, subject="Again")
    path = path_in_last_mail(mailbox, "ada@example.org")
    assert app.test_client().post(path, base_url=BASE_URL).status_code == 200
    drain()
    assert not recipients(mailbox, "Again")


def test_who_cancels_meanwhile_is_not_counted_as_told(
    owner: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    for name in ("ada", "bob"):
        book(event_id, name)
    write(owner, event_id)
    bookings.cancel_booking(event_id, attendee_id="bob@example.org")
    drain()
    assert recipients(mailbox, "A word") == {"ada@example.org": 1}
    page = owner.get(f"/organizer/events/{event_id}/mails", base_url=BASE_URL).text
    assert "1 of 1 mail sent" in page
    assert "could not be delivered" not in page


@pytest.mark.parametrize("written_by", ["this release", "the release before"])
def test_message_is_known_by_what_its_delivery_carries(
    owner: FlaskClient,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    written_by: str,
) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "ada")
    write(owner, event_id)
    of_messages = update(deliveries).where(deliveries.c.what == "message")
    if written_by == "this release":
        changed = of_messages.values(dedupe_key="a key that says nothing")
    else:
        changed = of_messages.values(details=None)
    with db.engine.begin() as connection:
        assert connection.execute(changed).rowcount == 1
    drain()
    assert recipients(mailbox, "A word") == {"ada@example.org": 1}


def test_subject_cannot_forge_headers(
    owner: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "ada")
    assert write(owner, event_id, subject="Hi\r\nBcc: eve@example.org").status_code == 400
    write(owner, event_id, subject="Hi\u2028Bcc: eve@example.org")
    drain()
    assert mailbox.messages[-1]["Subject"] == "Hi Bcc: eve@example.org"
    assert set(mailbox.recipients) == {"ada@example.org"}


def test_parked_mail_is_shown_with_its_reason_and_sent_again(
    owner: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "ada")
    mailbox.at_recipient = lambda address: "550 mailbox full"
    drain()
    mails = f"/organizer/events/{event_id}/mails"
    page = owner.get(mails, base_url=BASE_URL).text
    assert "550 mailbox full" in page
    path = re.findall(r'action="([^"]+/resend)"', page)[0]
    mailbox.at_recipient = lambda address: None
    assert post(owner, mails, path).status_code == 303
    drain()
    assert len(mailbox.to("ada@example.org")) == 1
    assert "550 mailbox full" not in owner.get(mails, base_url=BASE_URL).text


def test_link_is_mailed_again_as_a_mail_of_its_own(
    owner: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    position = book(event_id, "ada").position
    drain()
    page = f"/organizer/events/{event_id}/bookings/{position}"
    assert post(owner, page, f"{page}/mail").status_code == 303
    drain()
    first, second = mailbox.to("ada@example.org")
    assert first["Subject"] == second["Subject"]
    assert first["Message-ID"] != second["Message-ID"]


def test_mails_of_an_event_are_its_owners_alone(
    app: Flask, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    position = book(event_id, "ada").position
    mailbox.at_recipient = lambda address: "550 no"
    drain()
    (row,) = parked(event_id)
    accounts.create_organizer(username="other", password="a password for tests")
    other = logged_in(app, "other")
    mails = f"/organizer/events/{event_id}/mails"
    for path in (mails, f"{mails}/progress"):
        assert other.get(path, base_url=BASE_URL).status_code == 404
    bookings_mail = f"/organizer/events/{event_id}/bookings/{position}/mail"
    for path in (f"{mails}/preview", mails, f"{mails}/{row.id}/resend", bookings_mail):
        answer = post(
            other, "/organizer/settings/mails", path, audience="all", subject="x", text="x"
        )
        assert answer.status_code == 404, path


def test_mail_that_could_not_be_delivered_leads_to_the_address(
    owner: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    position = book(event_id, "ada").position
    mailbox.at_recipient = lambda address: "550 no"
    drain()
    here = f"/organizer/events/{event_id}"
    correct = f"{here}/bookings/{position}/correct"
    assert f'href="{correct}"' in owner.get(f"{here}/mails", base_url=BASE_URL).text
    assert "ada@example.org" in owner.get(correct, base_url=BASE_URL).text


def test_own_event_does_not_open_the_mails_of_another(
    app: Flask, owner_id: int, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=5)
    book(event_id, "ada")
    mailbox.at_recipient = lambda address: "550 no"
    drain()
    (row,) = parked(event_id)
    assert not announcements.resend(make_event(), row.id, actor=organizer(owner_id))
    assert parked(event_id) == [row]


def test_reminder_comes_a_day_before_and_once(
    owner: FlaskClient,
    make_event: MakeEvent,
    book: Book,
    deliverer: Deliverer,
    mailbox: Mailbox,
    the_clock: Clock,
) -> None:
    start = the_clock.now() + timedelta(days=3)
    silent, reminding = (make_event(name=n, tickets=1, starts_at=start) for n in ("Silent", "Loud"))
    for event_id in (silent, reminding):
        book(event_id, "ada")
        book(event_id, "bob")
    mails = f"/organizer/events/{reminding}/mails"
    assert post(owner, mails, f"{mails}/reminder", reminds="yes").status_code == 303
    deliverer.jobs = [(60.0, scheduled.write_due)]
    for hours in (1, 46, 1, 1):
        deliverer.drain()
        assert not [m for m in mailbox.messages if "See you" in m["Subject"]] or hours == 1
        the_clock.put_forward(hours=hours)
    deliverer.drain()
    (reminder,) = [m for m in mailbox.messages if "See you" in m["Subject"]]
    assert reminder["To"] == "ada@example.org"
    assert reminder["Subject"].startswith("See you ")
    assert reminder["Subject"].endswith(" UTC: Loud")


def test_organizer_hears_of_a_sold_out_event_once(
    owner: FlaskClient,
    make_event: MakeEvent,
    book: Book,
    deliverer: Deliverer,
    mailbox: Mailbox,
    owner_id: int,
) -> None:
    set_own_address(owner_id, "owner@example.org")
    answer = post(
        owner,
        "/organizer/settings/mails",
        "/organizer/settings/mails",
        wants_sold_out="yes",
    )
    assert answer.status_code == 303
    deliverer.jobs = [(60.0, scheduled.write_due)]
    event_id = make_event(tickets=1)
    deliverer.drain()
    assert not mailbox.to("owner@example.org")
    book(event_id, "ada")
    deliverer.drain()
    book(event_id, "bob")
    deliverer.drain()
    (notice,) = mailbox.to("owner@example.org")
    assert notice["Subject"] == "Sold out: Harvest Supper"
    assert f"{BASE_URL}/organizer/events/{event_id}" in words_of(notice)


def test_wishes_need_an_address(owner: FlaskClient) -> None:
    answer = post(
        owner, "/organizer/settings/mails", "/organizer/settings/mails", wants_summary="yes"
    )
    assert answer.status_code == 400
    assert "Fill in the address to write to." in answer.text


def test_dashboard_says_when_no_mail_leaves(
    owner: FlaskClient, make_event: MakeEvent, make_app: Callable[..., Flask]
) -> None:
    said = "No mail server is configured"
    paths = ("/organizer", f"/organizer/events/{make_event()}/mails")
    assert not any(said in owner.get(path, base_url=BASE_URL).text for path in paths)
    mailing_nothing = make_app(BASE_URL=BASE_URL)
    mailing_nothing.test_client_class = Outside
    owner = logged_in(mailing_nothing, "owner")
    assert all(said in owner.get(path, base_url=BASE_URL).text for path in paths)
