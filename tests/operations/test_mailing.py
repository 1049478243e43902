"""`flask doctor` on mails: server, login, sender, deliverer, and what waits."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from tests.support.mail import (
    Mailbox,
    SmtpServer,
    make_certificate,
    scripted_server,
    silent_server,
)
from webapp import clock
from webapp.booking import heartbeat
from webapp.operations import mailing
from webapp.operations.findings import Finding, State
from webapp.storage import outbox
from webapp.storage.tables import deliveries
from webapp.storage.transaction import execute, write

SENDER = "Nextup <tickets@example.org>"


@pytest.fixture
def in_app(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        yield app


@pytest.fixture
def mail_to(in_app: Flask) -> Callable[..., None]:
    """Have mails go to a server: `mail_to("smtp://127.0.0.1:25")`."""

    def mail_to(url: str | None, sender: str = SENDER) -> None:
        known = in_app.extensions["settings"]
        in_app.extensions["settings"] = replace(known, mail_url=url, mail_from=sender)

    return mail_to


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


def only(found: list[Finding]) -> tuple[State, str]:
    [one] = found
    return one.state, " ".join(map(str, one.sentences))


def test_without_a_mail_server_mails_are_files_which_is_no_fault(
    mail_to: Callable[..., None],
) -> None:
    mail_to(None)
    state, words = only(mailing.check_server())
    assert state is State.NOTE
    assert "written to files" in words
    state, words = only(mailing.send_one("ada@example.org"))
    assert state is State.NOTE
    assert words.endswith("-trial.eml")


def test_server_that_takes_login_and_sender_is_well_and_gets_no_mail(
    mail_to: Callable[..., None], mailbox: Mailbox, tmp_path: Path
) -> None:
    server = SmtpServer(mailbox, tls="starttls", login=True)
    server.certificate = make_certificate(tmp_path)
    server.start()
    try:
        mail_to(f"{server.url}?certificate={server.certificate[0]}")
        expected = f"MAIL_URL: 127.0.0.1 port {server.port} takes mails from tickets@example.org"
        assert only(mailing.check_server()) == (State.OK, f"{expected}, with TLS.")
        assert not mailbox.contents
        state, words = only(mailing.send_one("ada@example.org"))
        assert (state, len(mailbox.contents)) == (State.OK, 1)
        assert "It said: 250" in words
        mailbox.at_recipient = lambda address: "550 5.7.1 no relaying"
        state, words = only(mailing.send_one("ada@example.org"))
        assert state is State.FIX
        assert "550 5.7.1 no relaying" in words
        mail_to(f"{server.url.replace('word', 'wrong')}?certificate={server.certificate[0]}")
        state, words = only(mailing.check_server())
        assert state is State.FIX
        assert "does not accept our login: 535" in words
        assert "wrong" not in words
    finally:
        server.stop()


def test_sender_that_is_refused_or_cannot_be_answered_is_told(
    mail_to: Callable[..., None],
) -> None:
    with scripted_server(MAIL="550 5.7.60 not yours") as port:
        mail_to(f"smtp://127.0.0.1:{port}")
        state, words = only(mailing.check_server())
        assert state is State.FIX
        assert words.startswith("MAIL_FROM: the mail server takes no mails from tickets@example")
        mail_to(f"smtp://127.0.0.1:{port}", sender="Nextup <noreply@localhost>")
        assert only(mailing.check_server())[1].startswith("MAIL_FROM: nobody can answer to")
    with scripted_server() as port:
        mail_to(f"smtp://127.0.0.1:{port}")
        assert only(mailing.check_server())[1].endswith("without TLS.")


def test_server_that_hangs_or_is_slow_is_waited_for_in_bounds(
    mail_to: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.mail.complaints.PROBE_SECONDS", 0.2)
    monkeypatch.setattr("webapp.mail.transports.ANSWER_SECONDS", 0.3)
    with silent_server() as port:
        mail_to(f"smtp://127.0.0.1:{port}")
        state, words = only(mailing.check_server())
        assert state is State.FIX
        assert "took our call and broke off" in words
    monkeypatch.setattr("webapp.mail.transports.ANSWER_SECONDS", 5)
    monkeypatch.setattr(mailing, "SLOW_SECONDS", 1)
    with scripted_server(pause=1.0) as port:
        mail_to(f"smtp://127.0.0.1:{port}")
        state, words = only(mailing.check_server())
        assert state is State.NOTE
        assert "is slow" in words


def test_deliverer_that_is_away_or_rests_is_told(in_app: Flask) -> None:
    assert only(mailing.check_deliverer())[0] is State.OK
    heartbeat.beat(clock.now() - timedelta(minutes=6))
    assert "No deliverer is at work" in only(mailing.check_deliverer())[1]
    write(heartbeat.rest)
    state, words = only(mailing.check_deliverer())
    assert state is State.FIX
    assert words.startswith("Mails rest since a restore")


def test_mails_that_wait_or_fail_for_long_are_told_and_bulk_is_not(in_app: Flask) -> None:
    now = clock.now()
    for number, bulk in enumerate((False, True)):
        write(
            lambda connection, number=number, bulk=bulk: outbox.enqueue(  # type: ignore[misc]
                connection, "links", recipient="ada@example.org", dedupe_key=str(number), now=now,
                bulk=bulk,
            )
        )  # fmt: skip
    assert only(mailing.check_queue())[0] is State.OK
    execute(update(deliveries).values(next_try_at=now - timedelta(hours=1)))
    state, words = only(mailing.check_queue())
    assert state is State.FIX
    assert "still here: 1; the oldest since" in words
    execute(
        update(deliveries).values(
            next_try_at=now + timedelta(minutes=3),
            created_at=now - timedelta(hours=2),
            attempts=4,
            problem="450 <ada@example.org> later",
        )
    )
    state, words = only(mailing.check_queue())
    assert state is State.FIX
    assert "tried again and again: 1" in words
    assert "ada@" not in words
