"""Mails leave through real SMTP servers: with TLS and a login, refusing, hanging, dying."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row, select

from tests.mail.conftest import BASE_URL, Book, Clock, Drain, MakeEvent, StartSmtp
from tests.support.mail import Mailbox, SmtpServer, silent_server
from webapp.extensions import db
from webapp.mail import complaints, transports
from webapp.mail.failures import PermanentFailure, TemporaryFailure
from webapp.mail.transports import Envelope, SmtpTransport
from webapp.mail.worker import Deliverer
from webapp.mail_url import read_mail_url
from webapp.storage import outbox
from webapp.storage.tables import deliveries

ENVELOPE = Envelope("x.eml", "from@example.org", "ada@example.org", b"Subject: x\r\n\r\nx\r\n")


def rows() -> Sequence[Row[Any]]:
    with db.engine.connect() as connection:
        return connection.execute(select(deliveries).order_by(deliveries.c.id)).all()


def send(url: str, envelope: Envelope = ENVELOPE) -> None:
    outgoing = SmtpTransport(read_mail_url(url))
    try:
        outgoing.send(envelope)
    finally:
        outgoing.close()


@pytest.mark.parametrize(("tls", "login"), [("", False), ("starttls", True), ("smtps", True)])
def test_mail_arrives(start_smtp: StartSmtp, mailbox: Mailbox, tls: str, login: bool) -> None:
    send(start_smtp(tls=tls, login=login).url)
    assert mailbox.contents == [ENVELOPE.content]


@pytest.mark.parametrize("tls", ["starttls", "smtps"])
def test_certificate_of_a_stranger_is_not_believed(
    start_smtp: StartSmtp, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    server = start_smtp(tls=tls, login=True)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(TemporaryFailure, match="no valid certificate") as failure:
        send(server.url)
    assert failure.value.for_all
    assert not mailbox.contents


def test_password_is_not_sent_without_tls(
    start_smtp: StartSmtp, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_smtp(login=True)
    send(server.url)
    assert len(mailbox.contents) == 1, "to this machine itself it may go"
    monkeypatch.setattr(transports, "_is_this_machine", lambda host: False)
    with pytest.raises(TemporaryFailure, match="no TLS to send the password"):
        send(server.url)


def test_wrong_password_is_told_in_words(start_smtp: StartSmtp) -> None:
    server = start_smtp(tls="starttls", login=True)
    with pytest.raises(TemporaryFailure, match="does not accept our login: 535") as failure:
        send(server.url.replace("word", "wrong"))
    assert failure.value.for_all


@pytest.mark.parametrize(
    ("answer", "error", "for_all"),
    [
        ("550 5.1.1 no such user", PermanentFailure, None),
        ("450 4.2.1 try later", TemporaryFailure, False),
        ("421 4.3.2 shutting down", TemporaryFailure, False),
    ],
)
def test_refusal_of_a_recipient_concerns_that_one(
    smtp: SmtpServer, mailbox: Mailbox, answer: str, error: type[Exception], for_all: bool | None
) -> None:
    mailbox.at_recipient = lambda address: answer
    with pytest.raises(error, match=answer) as failure:
        send(smtp.url)
    assert getattr(failure.value, "for_all", None) == for_all


@pytest.mark.parametrize(
    ("answer", "error"),
    [("554 5.7.1 spam", PermanentFailure), ("451 4.3.0 later", TemporaryFailure)],
)
def test_refusal_of_content_concerns_that_mail(
    smtp: SmtpServer, mailbox: Mailbox, answer: str, error: type[Exception]
) -> None:
    mailbox.at_content = lambda address: answer
    with pytest.raises(error, match=answer):
        send(smtp.url)


def test_server_that_is_away_is_told_in_words() -> None:
    with pytest.raises(TemporaryFailure, match="cannot be used: Connection refused") as failure:
        send("smtp://127.0.0.1:9")
    assert failure.value.for_all


def test_hanging_servers_are_left_soon(
    smtp: SmtpServer, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complaints, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(transports, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(transports, "ANSWER_SECONDS", 0.3)
    started = time.monotonic()
    with silent_server() as port, pytest.raises(TemporaryFailure, match="timed out"):
        send(f"smtp://127.0.0.1:{port}")
    mailbox.at_content = lambda address: "hang"
    with pytest.raises(TemporaryFailure, match=r"broke off: .*timed out"):
        send(smtp.url)
    monkeypatch.setattr(transports, "ANSWER_SECONDS", 20.0)
    monkeypatch.setattr(transports, "MAIL_SECONDS", 0.5)
    with pytest.raises(TemporaryFailure):
        send(smtp.url)
    assert time.monotonic() - started < 5


def test_dying_server_is_a_passing_failure(smtp: SmtpServer, mailbox: Mailbox) -> None:
    mailbox.at_content = lambda address: "die"
    with pytest.raises(TemporaryFailure):
        send(smtp.url)


def test_connection_serves_a_run_of_mails_and_is_renewed(
    smtp: SmtpServer, mailbox: Mailbox
) -> None:
    outgoing = SmtpTransport(read_mail_url(smtp.url))
    for _ in range(3):
        outgoing.send(ENVELOPE)
    assert len(mailbox.sessions) == 1
    smtp.stop()
    smtp.start()
    outgoing.send(ENVELOPE)
    outgoing.close()
    assert len(mailbox.contents) == 4


def test_refused_address_is_parked_with_the_reason(
    make_event: MakeEvent, book: Book, drain: Drain, mailbox: Mailbox
) -> None:
    event_id = make_event(tickets=9)
    for name in ("ada", "bob", "carol"):
        book(event_id, name)
    mailbox.at_recipient = lambda a: "550 no such user" if a.startswith("bob") else None
    drain()
    assert [(row.state, row.problem) for row in rows()] == [
        ("sent", None),
        ("parked", "550 no such user"),
        ("sent", None),
    ]


def test_mails_wait_for_a_server_that_is_down(
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    smtp: SmtpServer,
    mailbox: Mailbox,
    the_clock: Clock,
) -> None:
    event_id = make_event(tickets=9)
    smtp.stop()
    for name in ("ada", "bob", "carol"):
        book(event_id, name)
    drain()
    waiting = rows()
    assert {row.state for row in waiting} == {"pending"}
    assert all("cannot be used: Connection refused" in row.problem for row in waiting)
    smtp.start()
    drain()
    assert not mailbox.contents, "not before it is time to try again"


def test_mails_are_tried_for_a_day_and_then_parked(
    make_event: MakeEvent,
    book: Book,
    deliverer: Deliverer,
    smtp: SmtpServer,
    mailbox: Mailbox,
    the_clock: Clock,
) -> None:
    smtp.stop()
    book(make_event(), "ada")
    waited, tries = 0.0, 0
    while rows()[0].state == "pending":
        deliverer.send_batch()
        tries += 1
        row = rows()[0]
        pause = max(0.0, (row.next_try_at - the_clock.now()).total_seconds() + 1)
        waited += pause if row.state == "pending" else 0
        the_clock.put_forward(seconds=pause)
    assert tries == len(outbox.DELAYS) + 1
    assert 22 < waited / 3600 < 28
    smtp.start()
    deliverer.drain()
    assert not mailbox.contents


def test_one_poisonous_mail_holds_up_no_other(
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transports, "ANSWER_SECONDS", 0.3)
    event_id = make_event(tickets=9)
    for name in ("ada", "bob", "carol"):
        book(event_id, name)
    mailbox.at_content = lambda address: "hang" if address.startswith("ada") else None
    drain()
    assert [row.state for row in rows()] == ["pending", "sent", "sent"]


def test_problem_names_no_secret_and_no_log_an_address(
    make_app: Callable[..., Flask],
    make_event: MakeEvent,
    book: Book,
    drain: Drain,
    mailbox: Mailbox,
    capfd: pytest.CaptureFixture[str],
) -> None:
    mailbox.at_recipient = lambda address: f"550 <{address}> no such user"
    receipt = book(make_event(), "ada")
    drain()
    assert rows()[0].problem == "550 <ada@example.org> no such user"
    logged = capfd.readouterr().err
    assert "delivery refused" in logged
    assert "ada@" not in logged
    assert receipt.reference not in logged
    assert BASE_URL not in logged
