"""Text as people type it: what is meant stays, what nobody sees goes."""

# ruff: noqa: RUF001 - letters that look alike are the point

import unicodedata

import pytest
from hypothesis import example, given, settings

from tests.support.typed import MEANT, TYPED
from webapp.text.typed import has_controls, is_blank, one_line, tidy, tidy_line, western_digits


@pytest.mark.parametrize("text", MEANT, ids=ascii)
def test_what_a_script_needs_stays(text: str) -> None:
    assert tidy(text) == tidy_line(text) == one_line(text) == text


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("\ufeffAda\u200b Love\u00adlace\u200d", "Ada Lovelace"),
        ("  Ada\t\tLove  lace \u3000", "Ada Love lace"),
        ("Ada\u2028Lovelace", "Ada Lovelace"),
        ("山田\u3000太郎", "山田\u3000太郎"),
        ("gnp\u202egpj", "gnpgpj"),
        ("\u2068Ada\u2069", "Ada"),
        ("Cafe\u0301", "Café"),
        ("Ada\U000e0068\U000e0069", "Ada"),
        ("Z" + "\u0335\u0353" * 30, "Z" + "\u0335" * 4 + "\u0353" * 4),
        ("\u2060\u200b ", ""),
    ],
    ids=ascii,
)
def test_what_nobody_sees_goes(typed: str, meant: str) -> None:
    assert tidy_line(typed) == meant


@settings(deadline=None)
@given(TYPED)
@example("a\u200d\u200d\u200cb")
def test_text_is_tidied_once(text: str) -> None:
    """What has been taken in comes out of the form again, and goes in as the same."""
    for tidied in (tidy, tidy_line, one_line):
        once = tidied(text)
        assert tidied(once) == once
        assert unicodedata.is_normalized("NFC", once)
    assert not has_controls(one_line(text))
    assert tidy_line(text) == tidy_line(text).strip()
    # Every letter that can be seen is still there, but those heaped upon others.
    seen = [char for char in text if unicodedata.category(char)[0] in "LNP"]
    left = [char for char in tidy(text) if unicodedata.category(char)[0] in "LNP"]
    same = unicodedata.normalize("NFD", "".join(seen)), unicodedata.normalize("NFD", "".join(left))
    assert [c for c in same[0] if c.isalnum()] == [c for c in same[1] if c.isalnum()]


@pytest.mark.parametrize("text", ["\u200d", "\u3164 \u2800", "\u115f", "\u0301", "\u00a0"])
def test_what_only_looks_empty_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}a")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("12", "12"),
        ("１２", "12"),
        ("٣", "3"),
        ("४२", "42"),
        ("1৪", "1৪"),
        ("²", "²"),
        ("1_0", "1_0"),
    ],
)
def test_digits_of_one_script_are_a_number(typed: str, meant: str) -> None:
    assert western_digits(typed) == meant
