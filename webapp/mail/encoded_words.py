"""Headers of a mail in encoded words (RFC 2047), such as every mail program and server reads.

Python's own differ from version to version: a space is lost between two of them, or two of them run
together, which some servers refuse (cpython#92081, cpython#144156). So here nothing but the
standard library's base64 is made use of.
"""

import re
from base64 import b64encode
from email.utils import formataddr

LONGEST_LINE = 76
LONGEST_WORD = 75
BEFORE, AFTER = "=?utf-8?", "?="
# What stands for itself in an encoded word, also within the name of a sender.
is_safe = re.compile(r"[A-Za-z0-9!*+/-]").fullmatch


def header(name: str, text: str) -> str:
    """A header with its line breaks; `text` is one line."""
    lines = folded(text, len(name) + 2) if is_plain(text) else None
    if lines is None:
        lines = encoded(text, len(name) + 2)
    return f"{name}: " + "\r\n ".join(lines) + "\r\n"


def sender(name: str, address: str) -> str:
    """The header From, with a name that may be of any letters; `address` is ASCII."""
    plain = formataddr((name, address)) if is_plain(name) else ""
    if plain and len("From: ") + len(plain) <= LONGEST_LINE:
        return f"From: {plain}\r\n"
    lines = [*encoded(name, len("From: ")), f"<{address}>"]
    return "From: " + "\r\n ".join(lines) + "\r\n"


def is_plain(text: str) -> bool:
    """Whether a text means itself in a header."""
    return text.isascii() and text.isprintable() and "=?" not in text


def folded(text: str, taken: int) -> list[str] | None:
    """A plain text in lines, broken at its spaces; none where that cannot be."""
    lines, room = [""], LONGEST_LINE - taken
    for word in text.split(" "):
        if not word or len(word) > LONGEST_LINE - 1:
            return None
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if len(longer) > room:
            if not lines[-1]:
                return None
            lines.append(word)
            room = LONGEST_LINE - 1
        else:
            lines[-1] = longer
    return lines


def encoded(text: str, taken: int) -> list[str]:
    """A text in encoded words, one for each line; no letter is torn apart."""
    if not text:
        return [""]
    signs = [in_quoted(char) for char in text]
    # Mostly Latin letters can be read as they are; of others base64 makes less.
    as_quoted = sum(map(len, signs)) <= 4 * len(text.encode()) / 3
    kind = "q" if as_quoted else "b"
    words, start, room = [], 0, _room(LONGEST_LINE - taken)
    while start < len(text):
        end, size = start, 0
        while end < len(text):
            size += len(signs[end]) if as_quoted else len(text[end].encode())
            if (size if as_quoted else -(-size // 3) * 4) > room and end > start:
                break
            end += 1
        piece = text[start:end]
        content = "".join(signs[start:end]) if as_quoted else b64encode(piece.encode()).decode()
        words.append(f"{BEFORE}{kind}?{content}{AFTER}")
        start, room = end, _room(LONGEST_LINE - 1)
    return words


def in_quoted(char: str) -> str:
    """A character as an encoded word of kind Q has it."""
    if is_safe(char):
        return char
    return "_" if char == " " else "".join(f"={byte:02X}" for byte in char.encode())


def _room(line: int) -> int:
    """How much of the text goes into one encoded word on a line."""
    return min(line, LONGEST_WORD) - len(BEFORE) - len("q?") - len(AFTER)
