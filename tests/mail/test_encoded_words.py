"""Subjects and senders in encoded words: every reader finds what was meant."""

# ruff: noqa: RUF001 - letters that look alike are the point

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.typed import TYPED
from webapp.mail.encoded_words import header, sender
from webapp.text.typed import one_line

TITLES = st.sampled_from(
    ["", "Your tickets are booked: ", "See you Sat 1 May 2027, 19:30 CEST: ", "Sie rücken nach: "]
)
ENCODED = re.compile(r"=\?utf-8\?[qb]\?[A-Za-z0-9+/=_!*-]+\?=")


def check(written: str, meant: str) -> None:
    """A header as programs read it, new and old, and as servers look at it."""
    assert written.isascii()
    assert written.endswith("\r\n")
    name, lines = written.partition(":")[0], written.removesuffix("\r\n").split("\r\n")
    assert all(len(line) <= 76 and line.strip() for line in lines)
    assert all(line.startswith(" ") for line in lines[1:])
    for line in lines if "=?utf-8?" in written else ():
        # One encoded word on a line, with space around it: no two of them run together.
        rest, words = ENCODED.subn("", line)
        assert words == 1
        assert rest in ("Subject: ", " ")
    [parsed] = message_from_bytes(f"{written}\r\n".encode(), policy=policy.default).values()
    assert str(parsed) == meant
    [raw] = message_from_bytes(f"{written}\r\n".encode(), policy=policy.compat32).values()
    if name == "Subject":
        assert str(make_header(decode_header(re.sub(r"\r\n(?= )", "", raw)))) == meant


@settings(deadline=None, max_examples=400)
@given(TITLES, TYPED)
@example("See you Sat 1 May 2027, 19:30 CEST: ", "Café Müller lädt zum Tanzabend ein")
@example("You are on the waiting list: ", "Soirée d’été à Genève " * 4)
@example("", "very long name🎫 " * 12)
@example("", "x" * 200)
@example("", "=?utf-8?q?x?= and ?= =?")
def test_subject_is_read_as_it_was_meant(title: str, about: str) -> None:
    subject = one_line(f"{title}{about}")
    if subject:
        written = header("Subject", subject)
        check(written, subject)
        # What needs no encoding has none.
        is_plain = subject.isascii() and "=?" not in subject
        if is_plain and max(map(len, subject.split())) < 60:
            assert "=?" not in written


@settings(deadline=None, max_examples=100)
@given(TYPED)
@example("Grüne Bühne")
@example('Ada "the" Countess, Lovelace; (x) <y@example.org>')
def test_name_of_the_sender_is_read_as_it_was_meant(typed: str) -> None:
    name = one_line(typed)
    if name:
        written = sender(name, "ada@example.org")
        # Python's newer parser keeps the space between encoded words in a name.
        shown, address = parseaddr(written.removeprefix("From: ").replace("\r\n", ""))
        assert (str(make_header(decode_header(shown))), address) == (name, "ada@example.org")
        assert all(len(line) <= 76 for line in written.split("\r\n"))
