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
from typing import Any

import pytest
from markupsafe import escape

from webapp.mail.content import Reason, Shown
from webapp.mail.failures import PermanentFailure
from webapp.mail.mime import ASCII, PARTS, UNSUBSCRIBE, UTF8, body_of, filled, headers, picture
from webapp.text.languages import ENGLISH, Language
from webapp.text.stand_ins import stands_for

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


def parts_by_library(shown: Shown, text: str, html: str, own: dict[str, str]) -> bytes:
    def part_of(content: str, kind: str, **more: Any) -> MIMEBase:
        for name, value in own.items():
            content = content.replace(stands_for(name), escape(value) if kind == "html" else value)
        part = MIMENonMultipart("text", kind, charset="utf-8", **more)
        part["Content-Transfer-Encoding"] = "quoted-printable"
        part.set_payload(binascii.b2a_qp(content.encode(), istext=True).decode("ascii"))
        return part

    page = part_of(html, "html")
    if shown.has_ticket:
        image = MIMEImage(PNG, "png")
        name = f"{shown.language.pgettext('file', 'ticket')}.png"
        image.add_header("Content-Disposition", "inline", filename=name)
        image.add_header("Content-ID", f"<{PICTURE_ID}>")
        page = MIMEMultipart("related", "=_related", [page, image])
    body: MIMEBase = part_of(text, "plain")
    body = MIMEMultipart("alternative", "=_alternative", [body, page])
    if shown.calendar:
        file = part_of(shown.calendar, "calendar", method="PUBLISH")
        name = f"{shown.language.pgettext('file', 'event')}.ics"
        file.add_header("Content-Disposition", "attachment", filename=name)
        body = MIMEMultipart("mixed", "=_mixed", [body, file])
    return body.as_bytes(policy=PARTS)


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PICTURE_ID = f"ticket.7.0123456789abcdef01234567@{LONG}"


@pytest.mark.parametrize("language", [ENGLISH, foreign()], ids=["english", "foreign"])
@pytest.mark.parametrize("has_ticket", [False, True])
@pytest.mark.parametrize("calendar", ["", "BEGIN:VCALENDAR\r\nX:ü\r\n%s\r\nEND:VCALENDAR\r\n"])
@pytest.mark.parametrize("own", ["plain", "<b>100 % = \xfc</b> & " * 9, " \r\n 7\r", ""])
def test_parts_are_those_of_the_library(
    language: Language, has_ticket: bool, calendar: str, own: str
) -> None:
    calendar = calendar and calendar % stands_for("line")
    none = None, None
    reason = Reason("%(site)s")
    shown = Shown(language, "T", (), reason, "", (), (), *none, has_ticket, False, calendar, False)
    text = "From here\nGrößer = besser  \n\r alone\n.\n" + "long " * 40
    text += f"\n{stands_for('link')}\nand {stands_for('link')}, {stands_for('line')} \n"
    html = f'<p>ü</p>{"<p>ü</p>" * 30}\nFrom <a href="{stands_for("link")}">\n\n'
    texts = {"link": own, "line": f"UID:{own}"}

    def sorted_out(parts: bytes) -> bytes:
        # The order of the parameters of one header says nothing.
        return re.sub(rb'(; charset="utf-8")(; method="PUBLISH")', rb"\2\1", parts)

    escaped = {name: escape(value) for name, value in texts.items()}
    ready = {"picture": picture(PNG, PICTURE_ID)}
    ours = filled(body_of(shown, text, html), texts, escaped, ready)
    assert sorted_out(ours) == sorted_out(parts_by_library(shown, text, html, texts))
