"""What we write of a mail ourselves is what the standard library would write."""

import binascii
import email
import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import default
from email.utils import parseaddr

import pytest

from webapp.mail.content import Mail
from webapp.mail.failures import PermanentFailure
from webapp.mail.mime import ASCII, PARTS, UNSUBSCRIBE, UTF8, headers, parts_of
from webapp.text.languages import ENGLISH, Language

NOW = datetime(2026, 11, 27, 9, 36, 45, 123456, tzinfo=UTC)
LONG = "a.very-long-domain." * 5 + "org"


class Foreign(Language):
    """Has names of files that are not ASCII, and long ones."""

    def pgettext(self, context: str, message: str, /, **values: object) -> str:
        return f"Ünï {message} " * 9


def foreign() -> Language:
    made = object.__new__(Foreign)
    for name, value in vars(ENGLISH).items():
        object.__setattr__(made, name, value)
    return made


def ours(said: dict[str, str]) -> bytes:
    return headers(
        sender=parseaddr(said["sender"]),
        recipient=said["recipient"],
        subject=said["subject"],
        date=NOW,
        message_id=said["message_id"],
        reply_to=said["reply_to"],
        unsubscribe=said["unsubscribe"],
    )


def by_library(**said: str) -> bytes:
    """All but sender and subject, which `encoded_words` writes."""
    message = EmailMessage(policy=ASCII if said["recipient"].isascii() else UTF8)
    user, _, domain = said["recipient"].rpartition("@")
    message["To"] = Address(username=user, domain=domain)
    message["Date"] = NOW
    message["Message-ID"] = f"<{said['message_id']}>"
    message["Auto-Submitted"] = "auto-generated"
    if said["reply_to"]:
        message["Reply-To"] = Address(addr_spec=said["reply_to"])
    if said["unsubscribe"]:
        message[UNSUBSCRIBE] = f"<{said['unsubscribe']}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message.as_bytes()[:-2]


PLAIN = {
    "sender": "Nextup <tickets@example.org>",
    "recipient": "ada.lovelace+x@example.org",
    "subject": "Your ticket is booked: Harvest supper",
    "message_id": "7.0123456789abcdef01234567@example.org",
    "reply_to": "",
    "unsubscribe": "",
}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"recipient": f"ada@{LONG}", "message_id": f"7.0123456789abcdef01234567@{LONG}"},
        {"recipient": '"ada lovelace"@example.org'},
        {"recipient": "ada'o!#$%&*=?^`{|}~@example.org"},
        {"recipient": "jürgen@example.org", "subject": "Größe 🎟 " * 20},
        {"subject": "Größe 🎟 " * 20, "reply_to": "owner@example.org"},
        {"subject": "A long title of an evening " * 6},
        {"subject": "=?utf-8?q?not=20encoded?= "},
        {"sender": "Größe <t@example.org>", "unsubscribe": f"http://{LONG}/leave/{'x' * 80}"},
    ],
)
def test_headers_are_those_of_the_library(changed: dict[str, str]) -> None:
    said = {**PLAIN, **changed}
    made = ours(said)
    read = email.message_from_bytes(made + b"\r\n", policy=default)
    assert read["From"] == said["sender"]
    assert read["Subject"].strip() == said["subject"].strip()
    rest = re.sub(rb"(From|Subject): .*\r\n( .*\r\n)*", b"", made)
    assert rest == by_library(**said)


def test_address_that_would_break_a_header_is_refused() -> None:
    with pytest.raises(PermanentFailure):
        ours({**PLAIN, "recipient": "ada\r\nBcc: eve@example.org@example.org"})


def parts_by_library(mail: Mail, calendar: bytes) -> bytes:
    def text(content: bytes, kind: str) -> MIMEBase:
        part = MIMENonMultipart("text", kind, charset="utf-8")
        part["Content-Transfer-Encoding"] = "quoted-printable"
        part.set_payload(binascii.b2a_qp(content, istext=True).decode("ascii"))
        return part

    page = text(mail.html.encode(), "html")
    if mail.qr_code is not None:
        picture = MIMEImage(mail.qr_code, "png")
        name = f"{mail.language.pgettext('file', 'ticket')}.png"
        picture.add_header("Content-Disposition", "inline", filename=name)
        picture.add_header("Content-ID", f"<{mail.picture_id}>")
        page = MIMEMultipart("related", "=_related", [page, picture])
    body: MIMEBase = text(mail.text.encode(), "plain")
    body = MIMEMultipart("alternative", "=_alternative", [body, page])
    if calendar:
        file = MIMENonMultipart("text", "calendar", charset="utf-8", method="PUBLISH")
        file["Content-Transfer-Encoding"] = "quoted-printable"
        file.set_payload(binascii.b2a_qp(calendar, istext=True).decode("ascii"))
        name = f"{mail.language.pgettext('file', 'event')}.ics"
        file.add_header("Content-Disposition", "attachment", filename=name)
        body = MIMEMultipart("mixed", "=_mixed", [body, file])
    return body.as_bytes(policy=PARTS)


@pytest.mark.parametrize("language", [ENGLISH, foreign()], ids=["english", "foreign"])
@pytest.mark.parametrize("code", ["", "0123456789ABCDEF"])
@pytest.mark.parametrize("calendar", [b"", b"BEGIN:VCALENDAR\r\nX:\xc3\xbc\r\nEND:VCALENDAR\r\n"])
def test_parts_are_those_of_the_library(language: Language, code: str, calendar: bytes) -> None:
    mail = Mail(language, "Title", ["words"], lambda site: site, ticket_code=code)
    mail.message_id = f"7.0123456789abcdef01234567@{LONG}"
    mail.text = "From here\nGrößer = besser  \n\r alone\n.\n" + "long " * 40
    mail.html = "<p>ü</p>" * 30 + "\nFrom\n\n"

    def sorted_out(parts: bytes) -> bytes:
        # The order of the parameters of one header says nothing.
        return re.sub(rb'(; charset="utf-8")(; method="PUBLISH")', rb"\2\1", parts)

    assert sorted_out(parts_of(mail, calendar)) == sorted_out(parts_by_library(mail, calendar))
