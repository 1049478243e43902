"""Descriptions in Markdown: formatted, and harmless whatever is in them."""

import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pages.conftest import Person
from webapp.text.links import REL, linked, web_address
from webapp.web.markdown import ATTRIBUTES, TAGS, markdown, summary_of

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


ADDRESSES = [
    ("see https://example.org/a_b?c=(d)&e=1.", ["https://example.org/a_b?c=(d)&e=1"]),
    ("(https://example.org/wiki/A_(b)), “www.example.org”!", [
        "https://example.org/wiki/A_(b)", "https://www.example.org"]),
    ("write to team@example.org, or ada.l+x@mail.example.co.uk.", [
        "mailto:team@example.org", "mailto:ada.l+x@mail.example.co.uk"]),
    ("**https://example.org** ~~www.example.org/x~~", [
        "https://example.org", "https://www.example.org/x"]),
    ("| a | b |\n|---|---|\n| x | http://localhost:3000/ |", ["http://localhost:3000/"]),
    ("`https://example.org` http:// a@b @c www. javascript:x ftp://example.org", []),
    ("[one https://example.org](https://example.com)", ["https://example.com"]),
    ("![Poster](https://example.org/p.png) ![](https://example.org/q.png)", [
        "https://example.org/p.png", "https://example.org/q.png"]),
    ("[![badge](https://example.org/b.svg)](https://example.org/)", ["https://example.org/"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), ADDRESSES, ids=ascii)
def test_addresses_become_links(text: str, found: list[str]) -> None:
    parser = Tags()
    parser.feed(markdown(text))
    links = [attributes for tag, attributes in parser.found if tag == "a"]
    assert [link["href"] for link in links] == found
    assert all(link["rel"] == REL for link in links)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("~~gone~~", "<p><s>gone</s></p>"),
        ("- [ ] fork\n- [X] knife", "<ul>\n<li>☐ fork</li>\n<li>☑ knife</li>\n</ul>"),
        ("Programme\n\n    19:00 Doors", "<p>Programme</p>\n<p>19:00 Doors</p>"),
        ("> > twice\n\nx", "<blockquote>\n<blockquote>\n<p>twice</p>\n</blockquote>\n"
         "</blockquote>\n<p>x</p>"),
    ],
)  # fmt: skip
def test_what_chats_write_is_shown_as_meant(text: str, shown: str) -> None:
    assert markdown(text).strip() == shown


@settings(deadline=None)
@given(st.lists(st.sampled_from([*ATTACKS, *[text for text, _ in ADDRESSES], ")" * 99, " "])))
def test_plain_text_with_addresses_is_harmless_too(parts: list[str]) -> None:
    text = "".join(parts)
    parser = Tags()
    parser.feed(linked(text))
    assert {tag for tag, _ in parser.found} <= {"a"}
    for _, attributes in parser.found:
        assert str(attributes["href"]).startswith(("http://", "https://", "mailto:"))
    assert unescape(re.sub(r"</?a\b[^>]*>", "", linked(text))) == text


def test_summary_is_plain_and_short() -> None:
    text = "# Food\n\nBring **a fork** and\n<b>[this](https://example.org)</b>\n\n- [ ] soup"
    assert summary_of(text) == "Food Bring a fork and <b>this</b> ☐ soup"
    assert summary_of("long " * 5000) == "long " * 39 + "long …"
    assert summary_of("x" * 5000) == "x" * 200 + " …"


def test_place_that_is_an_address_is_a_link(person: Person, make_event: MakeEvent) -> None:
    link = "https://meet.example.org/x?a=1&b=2"
    event_id = make_event(location=link)
    page = person.client.get(f"/events/{event_id}", follow_redirects=True).text
    assert f'<a href="https://meet.example.org/x?a=1&amp;b=2" rel="{REL}">' in page
    assert web_address(link) == link
    assert not any(map(web_address, ("Botanical Garden", f"Room 2, {link}", "a@example.org", "")))
