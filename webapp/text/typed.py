"""Text as people type and paste it: kept as it is meant, without what nobody sees.

What is kept: joiners between letters of other scripts and in emoji, the tags of a flag, the
variants of letters and emoji, marks of direction, the spaces of every script. What goes: overrides
of direction, zero width spaces between Latin letters, soft hyphens, byte order marks, hidden tags,
marks heaped upon a letter. Everything is in Unicode's normal form C.
"""

import re
import unicodedata

is_plain = re.compile(r"[\n\t\r -~]*").fullmatch
# Control characters, halves of surrogate pairs, and what Unicode says is no character.
has_controls = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
).search
LINE_BREAKS = re.compile("[\x0b\x0c\x85\u2028\u2029]")

JOINERS = "\u200c\u200d"
# Scripts that write no spaces, where one without width is a place to break the line.
UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf"
VARIANTS = "\u180b-\u180d\ufe00-\ufe0f\U000e0100-\U000e01ef"
HEAPED = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
MOST_HEAPED = 8
# Seen as a space or as nothing, though Unicode has them among the letters, marks and symbols.
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

# (what is looked for, what takes its place)
TIDIED = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Overrides and embeddings of direction, what is invisible everywhere, what stands for
        # something that was not copied.
        ("[\u00ad\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\U0001bca0-\U0001bca3"
         "\U0001d173-\U0001d17a]", ""),
        # Tags spell the flags of parts of a country, behind a black one; else they hide text.
        ("(\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f)|[\U000e0000-\U000e007f]", r"\1"),
        (f"((?<=[{UNSPACED}])\u200b(?=[{UNSPACED}]))|\u200b", r"\1"),
        (f"((?<=[^\\s{VARIANTS}])[{VARIANTS}])|[{VARIANTS}]", r"\1"),
        (f"([{JOINERS}])[{JOINERS}]+", r"\1"),
        (f"((?<=[^\\s!-~])[{JOINERS}](?=\\S)|(?<=\\S)[{JOINERS}](?=[^\\s!-~]))|[{JOINERS}]", r"\1"),
        (f"([{HEAPED}]{{{MOST_HEAPED}}})[{HEAPED}]+", r"\1"),
    )
]  # fmt: skip
# Without any of these there is nothing to tidy.
is_suspect = re.compile(
    f"[\u00ad\u200b-\u200d\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\U0001bca0-\U0001bca3"
    f"\U0001d173-\U0001d17a\U000e0000-\U000e007f{VARIANTS}]|[{HEAPED}]{{{MOST_HEAPED + 1}}}"
).search
SPACES_BETWEEN = re.compile("[\t ]{2,}|[\t\x0b\x0c\x85\u2028\u2029]")


def tidy(text: str) -> str:
    """Text of several lines, as it is meant."""
    if is_plain(text):
        return text
    return _visible(LINE_BREAKS.sub("\n", text))


def tidy_line(text: str) -> str:
    """The same for one line: without space around it, and with one space where there are more."""
    if not is_plain(text):
        text = _visible(SPACES_BETWEEN.sub(" ", text))
    # Only now: what stood behind something invisible may be a space.
    return SPACES_BETWEEN.sub(" ", text).strip()


def one_line(text: str) -> str:
    """Any text fit for a header: whatever cannot stand in one line becomes a space."""
    if text.isascii() and text.isprintable():
        return tidy_line(text)
    return tidy_line(
        "".join(" " if has_controls(char) or char in "\r\n" else char for char in text)
    )


def is_blank(text: str) -> bool:
    """Whether nobody would see anything of it."""
    return all(
        char in FILLERS or unicodedata.category(char) in ("Zs", "Zl", "Zp", "Cf", "Cc", "Mn")
        for char in text
    )


def western_digits(text: str) -> str:
    """A number written in the digits of any one script, in 0 to 9; other text as it is."""
    if text.isascii() or not text.isdecimal():
        return text
    values = [unicodedata.decimal(char) for char in text]
    zeros = {ord(char) - value for char, value in zip(text, values, strict=True)}
    # Digits of several scripts look like other digits than they are.
    return "".join(map(str, values)) if len(zeros) == 1 else text


def _visible(text: str) -> str:
    """What is seen of a text; again and again, for what goes may have kept others apart."""
    while True:
        tidied = text
        if not is_suspect(text):
            return unicodedata.normalize("NFC", text)
        for pattern, replacement in TIDIED:
            tidied = pattern.sub(replacement, tidied)
        tidied = unicodedata.normalize("NFC", tidied)
        if tidied == text:
            return text
        text = tidied
