"""Pages that many visitors see alike: drawn once, with each visitor's tokens put in.

What a page is kept under is everything it was drawn from, as the database has it at this moment: an
event of which one more ticket is taken is another page. A hot event changes with each batch of
bookings and is read by hundreds meanwhile: its page takes 0.6 ms in place of 1.0, the list of
events 1.0 in place of 2.6 (in process, SQLite). Where the figures stand in blocks of their own,
the rest is kept apart from them. They are kept as bytes: to encode a page anew took 4 % of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple

from flask import Flask, Response, current_app, g, session
from jinja2 import Template
from jinja2.runtime import Context
from markupsafe import escape

from webapp.extensions import PerApp
from webapp.text.stand_ins import by_stand_ins, stands_for
from webapp.web.fast_sessions import csrf_token
from webapp.web.htmx import show, wants_fragment
from webapp.web.language import language
from webapp.web.security import current_login

# Of those that strangers can make up as they like no more are kept either; the oldest goes first.
KEPT = 128
LONGEST = 64 * 1024

own_values: dict[str, Callable[[], str]] = {}

NOTHING: Mapping[str, Any] = MappingProxyType({})

_lock = Lock()
_pages: PerApp[dict[Any, "Kept"]] = PerApp(dict)


class Parts(NamedTuple):
    """A page as bytes, and the name of what stands between each two of its texts."""

    texts: list[bytes]
    names: list[str]


@dataclass(slots=True)
class Kept:
    """A page; `latest` is the same with its live blocks, and all that these were drawn from."""

    parts: Parts
    latest: tuple[dict[str, Any], Parts] | None = None


def init_app(app: Flask) -> None:
    app.jinja_env.globals["csrf_token"] = differs(csrf_token)


def differs(value: Callable[[], str]) -> Callable[[], str]:
    """A function for templates whose value is another one for each visitor."""
    name = value.__name__
    own_values[name] = value

    def own_or_mark() -> str:
        return stands_for(name) if g.get("draws_for_all") else value()

    return own_or_mark


def show_kept(
    template: str,
    *,
    block: str = "main",
    live: Sequence[str] = (),
    lasting: Mapping[str, Any] = NOTHING,
    own: Mapping[str, object] = NOTHING,
    **context: Any,
) -> Response:
    """What `show` does; `context` has to hold, as values that can be compared, all that is shown.

    A page that says something to its visitor alone is drawn for them. The blocks `live` are drawn
    anew when `context` changes; the rest of the page gets in place of values of `context` those in
    `lasting`, which do not change as often, and is kept under them. `own` are the values behind
    `stands_for`, of a page whose blocks `live` also have what is its visitor's alone.
    """
    tells = "_flashes" in session and "flashes" not in live
    is_own = current_login() is not None or tells or "refused_form" in g
    if wants_fragment() or is_own:
        return show(template, block=block, **context)
    shown = {**context, **lasting}
    pages, key = _pages.own, (template, language().code, *shown.items())
    kept = pages.get(key)
    if kept is None:
        kept = Kept(_drawn(template, shown, live))
        if sum(map(len, kept.parts.texts)) <= LONGEST:
            with _lock:
                while len(pages) >= KEPT:
                    del pages[next(iter(pages))]
                pages[key] = kept
    parts = kept.parts if own or not live else _latest(kept, template, live, context)
    around = _context(template, context) if own and live else None
    filled = {name: escape(value) for name, value in own.items()}
    whole = [parts.texts[0]]
    for name, text in zip(parts.names, parts.texts[1:], strict=True):
        if name in filled:
            value: str = filled[name]
        elif around and name in live:
            value = "".join(around.blocks[name][0](around))
        else:
            value = escape(own_values[name]())
        whole += value.encode(), text
    return current_app.response_class(b"".join(whole))


def _latest(kept: Kept, template: str, live: Sequence[str], context: dict[str, Any]) -> Parts:
    """The parts of a page with its blocks `live`, which all visitors see alike."""
    latest = kept.latest
    if latest is None or latest[0] != context:
        around = _context(template, context)
        texts, names = kept.parts.texts[:1], []
        with _for_all():
            for name, text in zip(kept.parts.names, kept.parts.texts[1:], strict=True):
                if name not in live:
                    names.append(name)
                    texts.append(text)
                    continue
                block = _parts_of(around.blocks[name][0](around))
                texts[-1] += block.texts[0]
                texts += block.texts[1:]
                texts[-1] += text
                names += block.names
        latest = kept.latest = (context, Parts(texts, names))
    return latest[1]


def _drawn(template: str, context: dict[str, Any], live: Sequence[str]) -> Parts:
    """A page in parts, with the places of the blocks `live` among them."""
    around = _context(template, context)
    for name in live:
        around.blocks[name] = [partial(_marking, name)]
    with _for_all():
        return _parts_of(_template(template).root_render_func(around))


def _parts_of(drawn: Iterable[str]) -> Parts:
    pieces = by_stand_ins("".join(drawn))
    return Parts([text.encode() for text in pieces[::2]], pieces[1::2])


@contextmanager
def _for_all() -> Iterator[None]:
    """Has what differs from visitor to visitor left out of what is drawn."""
    g.draws_for_all = True
    try:
        yield
    finally:
        g.draws_for_all = False


def _marking(name: str, _: Context) -> Iterator[str]:
    """A block of which only its place is shown."""
    yield stands_for(name)


def _template(name: str) -> Template:
    return current_app.jinja_env.get_template(name)


def _context(template: str, context: dict[str, Any]) -> Context:
    values = {**context}
    current_app.update_template_context(values)
    return _template(template).new_context(values)
