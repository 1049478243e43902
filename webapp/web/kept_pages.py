"""Pages that many visitors see alike: drawn once, with each visitor's tokens put in.

What a page is kept under is everything it was drawn from, as the database has it at this moment: an
event of which one more ticket is taken is another page. A hot event changes with each batch of
bookings and is read by hundreds meanwhile: its page takes 0.6 ms in place of 1.0, the list of
events 1.0 in place of 2.6 (in process, SQLite). Where the figures stand in blocks of their own,
the rest is kept apart from them.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from types import MappingProxyType
from typing import Any

from flask import Flask, Response, current_app, g, make_response, session
from jinja2 import Template
from jinja2.runtime import Context
from markupsafe import escape

from webapp.extensions import PerApp
from webapp.web.fast_sessions import csrf_token
from webapp.web.htmx import show, wants_fragment
from webapp.web.language import language
from webapp.web.security import current_login

# Of those that strangers can make up as they like no more are kept either; the oldest goes first.
KEPT = 128
LONGEST = 64 * 1024

# In place of what differs nobody can have written these.
_mark = secrets.token_hex(16)
own_values: dict[str, Callable[[], str]] = {}
is_marked = re.compile(f"{_mark}([a-z_]+);")

NOTHING: Mapping[str, Any] = MappingProxyType({})

_lock = Lock()
_pages: PerApp[dict[Any, "Kept"]] = PerApp(dict)


@dataclass(slots=True)
class Kept:
    """A page as text, with the name of what stands there at every other place.

    `latest` is the same with its live blocks, and all that these were drawn from.
    """

    parts: list[str]
    latest: tuple[dict[str, Any], list[str]] | None = None


def init_app(app: Flask) -> None:
    app.jinja_env.globals["csrf_token"] = differs(csrf_token)


def differs(value: Callable[[], str]) -> Callable[[], str]:
    """A function for templates whose value is another one for each visitor."""
    name = value.__name__
    own_values[name] = value

    def own_or_mark() -> str:
        return stands_for(name) if g.get("draws_for_all") else value()

    return own_or_mark


def stands_for(name: str) -> str:
    """What is drawn in place of a text of one visitor alone; it holds nothing of it."""
    return f"{_mark}{name};"


class Lasting:
    """What a page that is kept may show of a row: a named tuple that has no more than that.

    To ask for anything else is a mistake that would show what is no longer so.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        raise NotKept(f"{type(self).__name__} has no {name}: show it in a block that is live")


class NotKept(Exception):
    """A page that is kept asks for what changes."""


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
        if sum(map(len, kept.parts[::2])) <= LONGEST:
            with _lock:
                while len(pages) >= KEPT:
                    del pages[next(iter(pages))]
                pages[key] = kept
    whole = [*(kept.parts if own or not live else _latest(kept, template, live, context))]
    filled = {name: escape(value) for name, value in own.items()}
    around = _context(template, context) if own and live else None
    for number in range(1, len(whole), 2):
        name = whole[number]
        if name in live and around:
            whole[number] = "".join(around.blocks[name][0](around))
        else:
            whole[number] = filled[name] if name in filled else escape(own_values[name]())
    return make_response("".join(whole))


def _latest(kept: Kept, template: str, live: Sequence[str], context: dict[str, Any]) -> list[str]:
    """The parts of a page with its blocks `live`, which all visitors see alike."""
    latest = kept.latest
    if latest is None or latest[0] != context:
        around = _context(template, context)
        whole = [*kept.parts]
        with _for_all():
            for number in range(1, len(whole), 2):
                name = whole[number]
                whole[number] = (
                    "".join(around.blocks[name][0](around)) if name in live else stands_for(name)
                )
        latest = kept.latest = (context, is_marked.split("".join(whole)))
    return latest[1]


def _drawn(template: str, context: dict[str, Any], live: Sequence[str]) -> list[str]:
    """A page as text, and at every other place the name of what stands there."""
    around = _context(template, context)
    for name in live:
        around.blocks[name] = [partial(_marking, name)]
    with _for_all():
        return is_marked.split("".join(_template(template).root_render_func(around)))


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
