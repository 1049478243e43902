"""Descriptions in Markdown: formatted, and harmless whatever is in them."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pages.conftest import Person
from webapp.web.markdown import ATTRIBUTES, TAGS, markdown

MakeEvent = Callable[..., int]

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    '[x](https://example.org/"onmouseover="alert(1))',
    "![x](https://example.org/pixel.png)",
    "<https://example.org/><svg onload=alert(1)>",
    "`<script>`",
    "[x]: javascript:alert(1)\n\n[x]",
    '<a href="javascript:alert(1)">x</a>',
    "<style>body { display: none }</style>",
    "<form action=https://example.org><input name=password>",
    "[]([x](javascript:alert(1)))",
]
scheme_of = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):").match


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def check(text: str) -> None:
    parser = Tags()
    parser.feed(markdown(text))
    for tag, attributes in parser.found:
        assert tag in TAGS
        assert set(attributes) <= ATTRIBUTES.get(tag, set()) | {"rel"}
        address = attributes.get("href") or "https:"
        # As browsers read it: they skip white space and control characters.
        scheme = scheme_of("".join(one for one in address if one > " "))
        assert scheme is None or scheme[1].lower() in ("http", "https", "mailto", "tel")


@pytest.mark.parametrize("text", ATTACKS)
def test_attack_stays_text(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from([*ATTACKS, "\n", "[", "](", ")", "<", ">", "`", '"', "*", "&"])))
def test_no_mixture_of_attacks_gets_through(parts: list[str]) -> None:
    check("".join(parts))


def test_description_is_formatted_below_the_headings_of_the_page(
    person: Person, make_event: MakeEvent
) -> None:
    text = "# Food\n\nBring **a fork**\nand\n\n- soup\n\n[map](https://example.org/m)"
    event_id = make_event(description=text)
    page = person.client.get(f"/events/{event_id}", follow_redirects=True).text
    assert "<h2>Food</h2>" in page
    assert "Bring <strong>a fork</strong><br>" in page
    assert "<li>soup</li>" in page
    link = '<a href="https://example.org/m" rel="nofollow noopener noreferrer">map</a>'
    assert link in page
