"""What templates can use: filters, addresses, the code of a ticket."""

import hashlib
import posixpath
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import segno
from flask import Flask, Response, current_app, request
from jinja2 import pass_environment
from markupsafe import Markup

from webapp.booking.commands import is_active, takes_tickets
from webapp.config import current_settings
from webapp.storage.rows import EventRow
from webapp.text import formatting
from webapp.text.templates import Templates
from webapp.web import htmx
from webapp.web.markdown import markdown

IMMUTABLE = "public, max-age=31536000, immutable"


def init_app(app: Flask) -> None:
    static = StaticFiles(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        grouped=formatting.grouped,
        hours=spoken(formatting.hours),
        local_input=formatting.local_input,
        local=formatting.local,
        markdown=markdown,
        moment=spoken(formatting.moment),
        number=spoken(lambda value, language: language.number(value)),
        percent_of=formatting.percent_of,
        qr_code=qr_code,
        span=spoken(formatting.span),
        weekday=spoken(formatting.weekday),
        whole_day=spoken(formatting.whole_day),
    )
    app.jinja_env.tests.update(active=is_active, taking_tickets=takes_tickets)
    app.jinja_env.globals.update(
        absolute_url=absolute_url,
        event_path=event_path,
        htmx_integrity=htmx.SCRIPT_INTEGRITY,
        htmx_url=htmx.SCRIPT_URL,
        sends_mail=sends_mail,
        site_name=app.extensions["settings"].site_name,
        static_path=static.path,
    )
    app.view_functions["static"] = static.view


def spoken(write: Callable[..., str]) -> Callable[..., str]:
    """A filter that writes in the language of the template it stands in."""

    @pass_environment
    def filter_(templates: Templates, *values: Any) -> str:
        return write(*values, templates.language)

    return filter_


class StaticFiles:
    """The files of static/, each at an address with a version: browsers may keep it for ever."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._send = app.view_functions["static"]
        # Files do not change while we run.
        self._version = cache(self._hashed)

    def path(self, name: str) -> str:
        """The address of a file: another one once there is something else in the file."""
        return self._app.url_for("static", filename=name, v=self._version(name))

    def view(self, filename: str) -> Response:
        """Flask's view of static/, which also lets browsers keep what they asked for by version."""
        response = cast(Response, self._send(filename=filename))
        # A roundabout way to it, such as css/../a.css, is the same file and no further one to hash.
        if request.args.get("v") == self._version(posixpath.normpath(filename)):
            response.headers["Cache-Control"] = IMMUTABLE
        return response

    def _hashed(self, name: str) -> str:
        """What is in a file, in 12 characters."""
        content = Path(self._app.static_folder or "", name).read_bytes()
        return hashlib.sha256(content).hexdigest()[:12]


def qr_code(text: str) -> Markup:
    """A QR code as inline SVG, dark on light in every colour scheme: scanners need it so."""
    code = segno.make(text, error="m", micro=False)
    return Markup(code.svg_inline(omitsize=True, border=3, dark="#000", light="#fff"))  # noqa: S704


def event_path(event: EventRow) -> str:
    """The address of an event's page on this site."""
    # Flask's own `url_for` passes on more arguments, all of them empty.
    return current_app.url_for(
        "attendee.event", event_id=event.id, slug=formatting.slug(event.name) or None
    )


def sends_mail() -> bool:
    """Whether mails reach anybody; without a mail server they are files on this machine."""
    return current_settings().mail_url is not None


def absolute_url(path: str) -> str:
    """A link that works outside of our pages; never made from what a client says of our host."""
    return current_settings().base_url + path
