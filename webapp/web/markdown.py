"""An organizer's Markdown as HTML that can do no harm."""

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

# HTML within the text is shown as text. Pictures would have to come from elsewhere.
_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")
_markdown.disable("image")

TAGS = {
    *("p", "br", "hr", "em", "strong", "blockquote", "code", "pre", "ul", "ol", "li", "a"),
    *("h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto", "tel"}
# The name of the event is the first heading of its page.
LOWER = {"h1": "h2", "h2": "h3", "h3": "h4", "h4": "h5", "h5": "h6"}


@lru_cache(maxsize=256)
def markdown(text: str) -> Markup:
    """Markdown as HTML. Two guards, each enough by itself: no tags come in, and few go out."""
    tokens = _markdown.parse(text)
    for token in tokens:
        token.tag = LOWER.get(token.tag, token.tag)
    page = _markdown.renderer.render(tokens, _markdown.options, {})
    clean = nh3.clean(
        page,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )
    return Markup(clean)  # noqa: S704
