"""An organizer's Markdown, as they write it in chats, as HTML that can do no harm."""

import re
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

from webapp.text.links import REL, pieces

# HTML within the text is shown as text, and what is pasted with space before it is no code.
_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True})
_markdown.enable(["table", "strikethrough"]).disable("code")

TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "blockquote", "code", "pre", "ul", "ol", "li", "a"),
    *("h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "table": {"tabindex"}}
SCHEMES = {"http", "https", "mailto", "tel"}
# The name of the event is the first heading of its page.
LOWER = {"h1": "h2", "h2": "h3", "h3": "h4", "h4": "h5", "h5": "h6"}
# A list of things to do or to bring.
is_task = re.compile(r"\[([ xX])\][ \t]").match
LONGEST_SUMMARY = 200


@lru_cache(maxsize=256)
def markdown(text: str) -> Markup:
    """Markdown as HTML. Two guards, each enough by itself: no tags come in, and few go out."""
    tokens = _markdown.parse(text)
    for token in tokens:
        token.tag = LOWER.get(token.tag, token.tag)
        if token.type == "table_open":
            # A wide one scrolls, which has to be possible without a mouse.
            token.attrSet("tabindex", "0")
    page = _markdown.renderer.render(tokens, _markdown.options, {})
    clean = nh3.clean(page, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel=REL)
    return Markup(clean)  # noqa: S704


def summary_of(text: str) -> str:
    """The beginning of a description in plain words, for whoever has no room for more."""
    # More of it than is needed, so that a long one costs no more.
    tokens = _markdown.parse(text[: 10 * LONGEST_SUMMARY])
    words = " ".join(
        "".join(" " if child.type in BREAKS else child.content for child in token.children)
        for token in tokens
        if token.children
    ).split()
    plain = " ".join(words)
    if len(plain) <= LONGEST_SUMMARY:
        return plain
    return f"{plain[:LONGEST_SUMMARY].rpartition(' ')[0] or plain[:LONGEST_SUMMARY]} …"


BREAKS = {"softbreak", "hardbreak"}


def _as_in_chats(state: StateCore) -> None:
    """Addresses become links, pictures links to them, and tasks get their boxes."""
    for index, token in enumerate(state.tokens):
        if token.type == "inline" and token.children:
            if index > 1 and state.tokens[index - 2].type == "list_item_open":
                _draw_box(token.children[0])
            token.children = _with_links(token.children)


def _draw_box(first: Token) -> None:
    if first.type == "text" and (task := is_task(first.content)):
        box = "☐ " if task[1] == " " else "☑ "
        first.content = box + first.content[task.end() :]


def _with_links(tokens: list[Token]) -> list[Token]:
    linked: list[Token] = []
    depth = 0
    for token in tokens:
        depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "image":
            # It would have to come from elsewhere, whose server would learn who looks at the page.
            address = str(token.attrGet("src") or "")
            linked += _link(token.content or address, "" if depth else address)
        elif token.type == "text" and not depth:
            for shown, address in pieces(token.content):
                linked += _link(shown, _markdown.normalizeLink(address) if address else "")
        else:
            linked.append(token)
    return linked


def _link(shown: str, address: str) -> list[Token]:
    text = Token("text", "", 0, content=shown)
    if not address:
        return [text]
    opening = Token("link_open", "a", 1, attrs={"href": address})
    return [opening, text, Token("link_close", "a", -1)]


_markdown.core.ruler.push("as_in_chats", _as_in_chats)
