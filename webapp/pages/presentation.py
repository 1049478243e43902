"""What templates can use: filters, addresses, the code of a ticket."""

import hashlib
import posixpath
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import segno
from flask import Flask, Response, current_app, request, url_for
from markupsafe import Markup

from webapp.booking.commands import is_active, takes_tickets
from webapp.config import current_settings
from webapp.storage.rows import EventRow
from webapp.text.formatting import (
    count,
    grouped,
    hours,
    local,
    local_input,
    moment,
    percent_of,
    slug,
    span,
)
from webapp.web import htmx
from webapp.web.markdown import markdown

IMMUTABLE = "public, max-age=31536000, immutable"


def init_app(app: Flask) -> None:
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        counted=count,
        grouped=grouped,
        hours=hours,
        local_input=local_input,
        local=local,
        markdown=markdown,
        moment=moment,
        percent_of=percent_of,
        qr_code=qr_code,
        span=span,
    )
    app.jinja_env.tests.update(active=is_active, taking_tickets=takes_tickets)
    app.jinja_env.globals.update(
        absolute_url=absolute_url,
        event_path=event_path,
        htmx_integrity=htmx.SCRIPT_INTEGRITY,
        htmx_url=htmx.SCRIPT_URL,
        static_path=static_path,
    )
    app.context_processor(lambda: {"site_name": current_settings().site_name})
    app.view_functions["static"] = static_view(app.view_functions["static"])


def static_path(name: str) -> str:
    """The address of a file in static/: another one once there is something else in the file."""
    version = _version(current_app.static_folder or "", name)
    return current_app.url_for("static", filename=name, v=version)


@cache
def _version(folder: str, name: str) -> str:
    """What is in a file, in 12 characters; files do not change while we run."""
    return hashlib.sha256(Path(folder, name).read_bytes()).hexdigest()[:12]


def static_view(send_file: Callable[..., Any]) -> Callable[[str], Response]:
    """Flask's view of static/, which also lets browsers keep a file for ever.

    That is where they asked for what is in it now.
    """

    def static(filename: str) -> Response:
        response: Response = send_file(filename=filename)
        # A roundabout way to it, such as css/../a.css, is the same file and no further one to hash.
        plain = posixpath.normpath(filename)
        if request.args.get("v") == _version(current_app.static_folder or "", plain):
            response.headers["Cache-Control"] = IMMUTABLE
        return response

    return static


def qr_code(text: str) -> Markup:
    """A QR code as inline SVG, dark on light in every colour scheme: scanners need it so."""
    code = segno.make(text, error="m", micro=False)
    return Markup(code.svg_inline(omitsize=True, border=3, dark="#000", light="#fff"))  # noqa: S704


def event_path(event: EventRow) -> str:
    """The address of an event's page on this site."""
    return url_for("attendee.event", event_id=event.id, slug=slug(event.name) or None)


def absolute_url(path: str) -> str:
    """A link that works outside of our pages; never made from what a client says of our host."""
    return current_settings().base_url + path
