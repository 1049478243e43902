"""Each mistake with a mail server is told in a sentence that names the setting."""

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mail.conftest import StartSmtp
from tests.support.mail import Mailbox, SmtpServer, make_certificate, scripted_server, silent_server
from tests.support.servers import free_port
from webapp.mail import complaints, transports
from webapp.mail.failures import TemporaryFailure
from webapp.mail.transports import Envelope, SmtpTransport
from webapp.mail_url import read_mail_url

ENVELOPE = Envelope("x.eml", "from@example.org", "ada@example.org", b"Subject: x\r\n\r\nx\r\n")
LOGIN = "me%40example.org:secret-word@"


def send(url: str) -> None:
    outgoing = SmtpTransport(read_mail_url(url))
    try:
        outgoing.send(ENVELOPE)
    finally:
        outgoing.close()


def told(url: str) -> str:
    """What is told of a mail that does not leave."""
    with pytest.raises(TemporaryFailure) as failure:
        send(url)
    assert failure.value.for_all, "it is nothing about this mail"
    assert "secret-word" not in str(failure.value)
    return str(failure.value)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "CONNECT_SECONDS", 0.4)
    monkeypatch.setattr(transports, "ANSWER_SECONDS", 0.4)


@pytest.fixture
def with_certificate(mailbox: Mailbox, tmp_path: Path) -> Iterator[Callable[..., SmtpServer]]:
    """Start a server with a certificate that nobody has signed: `start("smtps", days=-1)`."""
    servers: list[SmtpServer] = []

    def start(tls: str, **options: object) -> SmtpServer:
        server = SmtpServer(mailbox, tls=tls, login=True)
        server.certificate = make_certificate(tmp_path, **options)  # type: ignore[arg-type]
        servers.append(server.start())
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.mark.parametrize("password", ["a@b:c/d#e?f %g&", "50%off", "grün"])
def test_login_with_any_letters_is_accepted_written_as_it_is(
    start_smtp: StartSmtp, mailbox: Mailbox, password: str
) -> None:
    server = start_smtp(tls="starttls", login=True)
    server.account = ("me@example.org", password)
    send(f"smtp://me@example.org:{password}@127.0.0.1:{server.port}")
    assert len(mailbox.contents) == 1


def test_host_may_be_an_address_of_ipv6() -> None:
    with scripted_server(host="::1") as port:
        send(f"smtp://[::1]:{port}")


def test_starttls_and_tls_are_told_apart(start_smtp: StartSmtp, quick: None) -> None:
    at_once, later = start_smtp(tls="smtps", login=True), start_smtp(tls="starttls", login=True)
    assert "write smtps:// in place of smtp://" in told(at_once.url.replace("smtps:", "smtp:"))
    assert "write smtp:// in place of smtps://" in told(later.url.replace("smtp:", "smtps:"))


@pytest.mark.parametrize(
    "options", [{}, {"is_authority": False}, {"is_authority": False, "is_self_signed": False}]
)
def test_self_made_certificate_is_believed_where_its_file_is_named(
    with_certificate: Callable[..., SmtpServer], mailbox: Mailbox, options: dict[str, bool]
) -> None:
    for tls in ("starttls", "smtps"):
        server = with_certificate(tls, **options)
        assert server.certificate
        assert "?certificate=/path/to.pem" in told(server.url)
        send(f"{server.url}?certificate={server.certificate[0]}")
    assert len(mailbox.contents) == 2


def test_named_certificate_is_asked_for_also_without_a_login(
    smtp: SmtpServer, mailbox: Mailbox, tmp_path: Path
) -> None:
    """Who names one does not want mails to leave openly because somebody took STARTTLS away."""
    made = make_certificate(tmp_path)[0]
    assert "offers no TLS" in told(f"{smtp.url}?certificate={made}")
    assert not mailbox.contents


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ends_in_days": -1}, "it has expired"),
        ({"host": "other.example.org", "address": "192.0.2.1"}, "it is not for the name 127.0.0.1"),
    ],
)
def test_certificate_that_is_named_has_to_be_right_all_the_same(
    with_certificate: Callable[..., SmtpServer], options: dict[str, object], sentence: str
) -> None:
    server = with_certificate("smtps", **options)
    assert server.certificate
    assert sentence in told(f"{server.url}?certificate={server.certificate[0]}")


def test_another_certificate_than_the_named_one_is_told_apart(
    with_certificate: Callable[..., SmtpServer], tmp_path: Path
) -> None:
    server = with_certificate("smtps")
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")[0]
    assert "it is another one than that in the file" in told(f"{server.url}?certificate={other}")


@pytest.mark.parametrize(
    ("answers", "login", "sentence"),
    [
        ({}, LOGIN, "takes no login at port"),
        ({"EHLO": "250-there\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 no"}, LOGIN,
         "does not accept our login: 535 5.7.8 no. Check user and password. What follows a %"),
        ({"EHLO": "250-there\r\n250 AUTH PLAIN", "AUTH": "535 no"}, "me@", "has no password"),
        ({"EHLO": "250-there\r\n250 AUTH PLAIN",
          "AUTH": "534 5.7.9 Application-specific password required"}, LOGIN, "“app password”"),
        ({"EHLO": "250-there\r\n250 AUTH LOGIN PLAIN",
          "AUTH": "535 5.7.139 Authentication unsuccessful, basic authentication is disabled"},
         LOGIN, "“app password”"),
        ({"EHLO": "250-there\r\n250 AUTH PLAIN", "AUTH": "454 4.7.0 later"}, LOGIN,
         "cannot check our login now: 454"),
        ({"MAIL": "530 5.7.0 Authentication required"}, "", "write user:password@ before the host"),
        ({"MAIL": "553 5.7.1 Sender address rejected"}, "",
         "MAIL_FROM: the mail server takes no mails from from@example.org: 553 5.7.1"),
        ({"greeting": "554 5.7.1 You are on a list"}, "", "turns us away: 554 5.7.1 You are"),
    ],
)  # fmt: skip
def test_answer_of_the_server_is_told_with_the_setting(
    answers: dict[str, Any], login: str, sentence: str
) -> None:
    with scripted_server(**answers) as port:
        assert sentence in told(f"smtp://{login}127.0.0.1:{port}")


def test_port_where_nobody_answers_is_told(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be used: Connection refused" in told(f"smtp://127.0.0.1:{free_port()}")
    monkeypatch.setattr(complaints, "PROBE_SECONDS", 0.3)
    with silent_server() as port:
        assert "took our call and broke off" in told(f"smtp://127.0.0.1:{port}")
    # One whose queue is full drops what comes, as a firewall does.
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", free_port()))
        full.listen(0)
        first.connect(full.getsockname())
        dropped = told(f"smtp://127.0.0.1:{full.getsockname()[1]}")
        assert "does not answer at port" in dropped
        assert "block port 25" in dropped


def test_unknown_host_is_told() -> None:
    assert "no mail server of the name nowhere.invalid is found" in told("smtp://nowhere.invalid")


def test_slow_greeting_is_waited_for(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "ANSWER_SECONDS", 3.0)
    with scripted_server(pause=0.8) as port:
        send(f"smtp://127.0.0.1:{port}")


@pytest.mark.parametrize("code", [9, 1])
def test_other_faults_of_certificates_have_sentences(code: int) -> None:
    error = ssl.SSLCertVerificationError("bad")
    error.verify_code = code
    [sentence] = complaints.complaint(error, read_mail_url("smtps://mail.example.org"))
    assert "has no valid certificate" in str(sentence)


def test_fault_that_nobody_thought_of_is_told_in_its_own_words() -> None:
    server = read_mail_url("smtp://mail.example.org")
    [sentence] = complaints.complaint(smtplib.SMTPHeloError(501, b"who?"), server)
    assert "cannot be used: 501 who?" in str(sentence)
