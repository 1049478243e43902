"""Lost links are mailed, and the page gives nothing away."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.mail.conftest import BASE_URL, Book, Drain, MakeEvent
from tests.support.mail import Mailbox, words_of
from webapp.booking.services import book_tickets, cancel_booking
from webapp.mail import facts


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def ask(client: FlaskClient, email: str, *, token: str | None = None) -> TestResponse:
    """Send the form, and follow to what it answers."""
    page = client.get("/bookings", base_url=BASE_URL).text
    found = re.findall(r'csrf_token" value="([^"]+)', page)[-1]
    fields = {"csrf_token": token or found, "email": email}
    return client.post("/bookings", data=fields, base_url=BASE_URL, follow_redirects=True)


def body_of(answer: TestResponse) -> str:
    return re.sub(r'value="[^"]*"', "", answer.text)


def test_links_are_mailed_and_the_answer_is_always_the_same(
    client: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    receipt = book(make_event(), "ada")
    drain()
    known, unknown = ask(client, "Ada@Example.org"), ask(client, "nobody@example.org")
    drain()
    assert (known.status_code, body_of(known)) == (unknown.status_code, body_of(unknown))
    assert "a mail with their links is on its way" in known.text
    assert [message["Subject"] for message in mailbox.messages][1:] == ["Your booking"]
    assert receipt.reference in words_of(mailbox.to("ada@example.org")[1])
    assert receipt.reference not in known.text


def test_address_cannot_be_flooded(
    client: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    book(make_event(), "ada")
    drain()
    answers = {body_of(ask(client, "ada@example.org")) for _ in range(6)}
    drain()
    assert len(answers) == 1
    assert len(mailbox.to("ada@example.org")) == 1 + 3


def test_client_cannot_ask_without_end(client: FlaskClient) -> None:
    statuses = [ask(client, f"guest{number}@example.org").status_code for number in range(12)]
    assert statuses == [200] * 10 + [429] * 2


def test_wrong_address_is_said(client: FlaskClient) -> None:
    answer = ask(client, "ada")
    assert answer.status_code == 400
    assert "Give an e-mail address" in answer.text


def book_on_page(client: FlaskClient, event_id: int, email: str) -> TestResponse:
    path = f"/events/{event_id}-harvest-supper"
    page = client.get(path, base_url=BASE_URL)
    token = re.findall(r'csrf_token" value="([^"]+)', page.text)[-1]
    fields = {"csrf_token": token, "name": "X", "email": email, "tickets": "1"}
    return client.post(path, data=fields, base_url=BASE_URL)


@pytest.mark.parametrize("email", ["ada@example.org", "office@example.org", None])
def test_who_books_again_gets_the_link_again_wherever_the_first_one_was_told(
    client: FlaskClient, make_event: MakeEvent, drain: Drain, mailbox: Mailbox, email: str | None
) -> None:
    event_id = make_event(tickets=9)
    receipt = book_tickets(event_id, attendee_id="ada@example.org", email=email)
    drain()
    before = len(mailbox.messages)
    answer = book_on_page(client, event_id, "Ada@example.org")
    drain()
    assert answer.status_code == 409
    assert "We mail its link there again" in answer.text
    assert receipt.reference not in answer.text
    assert mailbox.recipients[before:] == ["ada@example.org"]
    assert receipt.reference in words_of(mailbox.messages[-1])


def test_link_that_is_mailed_again_comes_before_all_others(
    client: FlaskClient,
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facts, "MOST_LINKS", 1)
    event_ids = [make_event() for _ in range(3)]
    receipts = [book(event_id, "ada") for event_id in event_ids]
    drain()
    assert book_on_page(client, event_ids[2], "ada@example.org").status_code == 409
    drain()
    words = words_of(mailbox.messages[-1])
    assert [words.count(receipt.reference) for receipt in receipts] == [1, 0, 1]
    assert words.index(receipts[2].reference) < words.index(receipts[0].reference)


def test_link_of_a_booking_that_is_cancelled_meanwhile_is_not_mailed(
    client: FlaskClient, make_event: MakeEvent, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=9)
    receipt = book_tickets(event_id, attendee_id="ada@example.org")
    assert book_on_page(client, event_id, "ada@example.org").status_code == 409
    cancel_booking(event_id, position=receipt.position)
    drain()
    assert not mailbox.messages


def test_links_do_not_follow_the_host_header(
    client: FlaskClient, make_event: MakeEvent, book: Book,
    drain: Drain, mailbox: Mailbox,
) -> None:  # fmt: skip
    book(make_event(), "ada")
    page = client.get("/bookings", base_url="https://evil.example").text
    token = re.findall(r'csrf_token" value="([^"]+)', page)[-1]
    fields = {"csrf_token": token, "email": "ada@example.org"}
    client.post("/bookings", data=fields, base_url="https://evil.example")
    drain()
    assert len(mailbox.contents) == 2
    assert not any(b"evil.example" in content for content in mailbox.contents)
