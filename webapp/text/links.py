"""Addresses in plain text: web pages and mailboxes, to be clicked."""

# ruff: noqa: RUF001 - letters that look alike are the point
import re
from collections.abc import Iterator

from markupsafe import Markup, escape

# Who writes an address has chosen it, and we have not: it gets nothing of ours.
REL = "nofollow noopener noreferrer"
# No longer word before it is begun within, so that a text is read once.
ADDRESS = re.compile(
    r"""(?<![\w@.+/-])(?:
        (?P<web>https?://[^\s<>"“”„«»‘]+ | www\.[\w-]+\.[^\s<>"“”„«»‘]+)
        | (?P<mail>[\w.+-]+@(?:[\w-]+\.)+[^\W\d_]{2,63})
    )""",
    re.IGNORECASE | re.VERBOSE,
)
may_have_address = re.compile(r"://|@|www\.", re.IGNORECASE).search
# What ends a sentence, an emphasis or a quotation is no part of an address.
TAIL = re.compile(r"[.,;:!?'’*_~…|、。！？]+$")
PAIRS = {")": "(", "]": "[", "}": "{", "）": "（", "」": "「"}
MOST_CLOSED = 20


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """A text in pieces, each with the address it leads to: `(text, "")` where it is none."""
    done = 0
    for match in ADDRESS.finditer(text):
        shown = _trimmed(match[0]) if match["web"] else match[0]
        is_whole = shown[:4].lower() == "http"
        host = shown.partition("://")[2] if is_whole else shown
        if not any(char.isalnum() for char in host):
            continue
        if match.start() > done:
            yield text[done : match.start()], ""
        done = match.start() + len(shown)
        if match["mail"]:
            yield shown, f"mailto:{shown}"
        else:
            yield shown, shown if is_whole else f"https://{shown}"
    if done < len(text):
        yield text[done:], ""


def linked(text: str) -> Markup:
    """A text as HTML in which addresses can be clicked."""
    if not may_have_address(text):
        return escape(text)
    link = Markup('<a href="{}" rel="{}">{}</a>')
    return Markup("").join(
        link.format(address, REL, shown) if address else escape(shown)
        for shown, address in pieces(text)
    )


def web_address(text: str) -> str:
    """The address that a text is as a whole; empty where it is something else."""
    found = list(pieces(text.strip()))
    [(_, address)] = found if len(found) == 1 else [("", "")]
    return "" if address.startswith("mailto:") else address


def _trimmed(text: str) -> str:
    """An address without what closes or ends the sentence around it."""
    for _ in range(MOST_CLOSED):
        kept = TAIL.sub("", text)
        opening = PAIRS.get(kept[-1:])
        if opening and kept.count(opening) < kept.count(kept[-1]):
            kept = kept[:-1]
        if kept == text:
            break
        text = kept
    return text
