"""MAIL_URL as providers make people write it, and what is refused of it."""

from pathlib import Path

import pytest

from tests.support.mail import make_certificate
from webapp.mail_url import MailUrlError, read_mail_url


@pytest.mark.parametrize(
    ("login", "user", "password"),
    [
        ("me:secret", "me", "secret"),
        ("me@example.org:secret", "me@example.org", "secret"),
        ("me%40example.org:p%40ss%2Fword%3A1", "me@example.org", "p@ss/word:1"),
        ("me:a@b:c/d#e?f g&h=i[j]", "me", "a@b:c/d#e?f g&h=i[j]"),
        ("me:50%off 100%", "me", "50%off 100%"),
        ("me:?certificate=x", "me", "?certificate=x"),
        ("me:smtp://x@y", "me", "smtp://x@y"),
        ("me:grün+blau", "me", "grün+blau"),
        ("apikey:", "apikey", ""),
        ("me", "me", ""),
    ],
)
@pytest.mark.parametrize(
    ("rest", "host", "port"),
    [("host.example.org:2525", "host.example.org", 2525), ("[2001:db8::1]", "2001:db8::1", 587)],
)
def test_user_and_password_are_read_as_they_are_given_out(
    login: str, user: str, password: str, rest: str, host: str, port: int, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path)[0]
    for end in ("", "/", f"?certificate={certificate}"):
        if "?certificate" in login and not end:
            continue
        if "?certificate" in login:
            end = f"?certificate={certificate}"
        server = read_mail_url(f"smtp://{login}@{rest}{end}")
        assert (server.user, server.password) == (user, password)
        assert (server.host, server.port, server.tls_at_once) == (host, port, False)
        assert password not in repr(server) or not password


def test_port_follows_from_what_is_spoken_there() -> None:
    ports = {url: read_mail_url(url).port for url in ("smtp://h", "smtp://u:p@h", "smtps://u:p@h")}
    assert list(ports.values()) == [25, 587, 465]


@pytest.mark.parametrize(
    "url",
    ["smtp://", "smtp://:secret@h", "smtp://u:secret@h:0", "smtp://u:secret@h:99999",
     "smtp://u:secret@h/path", "smtp://u:secret@h?tls=off", "smtp://u:secret@", "smtp://secret",
     "http://u:secret@h", "u:secret@h", "smtp://u:secret@h?certificate=nowhere.pem",
     "smtp://u:secret@h?certificate="],
)  # fmt: skip
def test_wrong_url_is_refused_in_a_line_without_the_password(url: str, tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    if url == "smtp://secret":
        url = f"smtp://u:secret@h?certificate={tmp_path / 'text.pem'}"
    with pytest.raises(MailUrlError) as refusal:
        read_mail_url(url, folder=tmp_path)
    assert "secret" not in str(refusal.value)


def test_certificate_is_found_from_the_instance_folder(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)[0]
    server = read_mail_url(f"smtps://h?certificate={made.name}", folder=tmp_path)
    assert server.certificate == made
    assert server.context().check_hostname
