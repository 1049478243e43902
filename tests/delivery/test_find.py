"""Lost links are mailed, and the page gives nothing away."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.delivery.conftest import BASE_URL, Book, Drain, MakeEvent
from tests.support.mail import Mailbox, words_of


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


def test_who_books_again_gets_the_link_again(
    client: FlaskClient, make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=9)
    receipt = book(event_id, "ada")
    page = client.get(f"/events/{event_id}-harvest-supper", base_url=BASE_URL)
    token = re.findall(r'csrf_token" value="([^"]+)', page.text)[-1]
    fields = {"csrf_token": token, "name": "X", "email": "ada@example.org", "tickets": "1"}
    answer = client.post(f"/events/{event_id}-harvest-supper", data=fields, base_url=BASE_URL)
    drain()
    assert answer.status_code == 409
    assert "We mail its link there again" in answer.text
    assert receipt.reference not in answer.text
    assert receipt.reference in words_of(mailbox.to("ada@example.org")[1])


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
