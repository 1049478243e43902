"""Pages that many visitors see alike: drawn once, with each visitor's tokens put in.

What a page is kept under is everything it was drawn from, as the database has it at this moment: an
event of which one more ticket is taken is another page. A hot event changes with each batch of
bookings and is read by hundreds meanwhile: its page takes 0.6 ms in place of 1.0, the list of
events 1.0 in place of 2.6 (in process, SQLite).
"""

import re
import secrets
from collections.abc import Callable
from threading import Lock
from typing import Any

from flask import Flask, Response, g, make_response, render_template, session
from markupsafe import escape

from webapp.extensions import PerApp
from webapp.web.fast_flask import csrf_token
from webapp.web.htmx import show, wants_fragment
from webapp.web.language import language
from webapp.web.security import current_login

# Of those that strangers can make up as they like no more are kept either; the oldest goes first.
KEPT = 64
LONGEST = 64 * 1024

# In place of what differs nobody can have written these.
_mark = secrets.token_hex(16)
own_values: dict[str, Callable[[], str]] = {}
is_marked = re.compile(f"{_mark}([a-z_]+);")

_lock = Lock()
_pages: PerApp[dict[Any, list[Any]]] = PerApp(dict)


def init_app(app: Flask) -> None:
    app.jinja_env.globals["csrf_token"] = differs(csrf_token)


def differs(value: Callable[[], str]) -> Callable[[], str]:
    """A function for templates whose value is another one for each visitor."""
    name = value.__name__
    own_values[name] = value

    def own_or_mark() -> str:
        return f"{_mark}{name};" if g.get("draws_for_all") else value()

    return own_or_mark


def show_kept(template: str, *, block: str = "main", **context: Any) -> Response:
    """What `show` does; `context` has to hold, as values that can be compared, all that is shown.

    A page that says something to its visitor alone is drawn for them.
    """
    is_own = current_login() is not None or "_flashes" in session or "refused_form" in g
    if wants_fragment() or is_own:
        return show(template, block=block, **context)
    pages, key = _pages.own, (template, language().code, *context.items())
    parts = pages.get(key)
    if parts is None:
        parts = _drawn(template, context)
        if sum(map(len, parts[::2])) <= LONGEST:
            with _lock:
                while len(pages) >= KEPT:
                    del pages[next(iter(pages))]
                pages[key] = parts
    own = [escape(part()) if number % 2 else part for number, part in enumerate(parts)]
    return make_response("".join(own))


def _drawn(template: str, context: dict[str, Any]) -> list[Any]:
    """A page as text, and at every other place a function for what stands there."""
    g.draws_for_all = True
    try:
        parts: list[Any] = is_marked.split(render_template(template, **context))
    finally:
        g.draws_for_all = False
    parts[1::2] = [own_values[name] for name in parts[1::2]]
    return parts
