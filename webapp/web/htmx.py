"""Page or fragment: one view and one template serve a browser with and without htmx."""

import json

from flask import Flask, Response, current_app, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from jinja2_fragments.flask import render_block

from webapp.web.etag import answer_unless_known
from webapp.web.language import language


def init_app(app: Flask) -> None:
    app.add_template_global(wants_fragment)


def wants_fragment() -> bool:
    """Say whether htmx asks for a part of the page. It also asks for whole pages."""
    return request.environ.get("HTTP_HX_REQUEST_TYPE") == "partial"


def show(template: str, *, block: str = "main", **context: object) -> Response:
    """The whole page, or to htmx the block of it that fills the element with the same id.

    A template without that block extends one that chooses by itself, such as organizer/desk.html.
    """
    if wants_fragment() and block in current_app.jinja_env.get_template(template).blocks:
        return make_response(render_block(template, block, **context))
    return make_response(render_template(template, **context))


def fragment(template: str, block: str, **context: object) -> Response:
    """One block, with an entity tag made of what it shows: asking again mostly costs a 304."""
    return answer_unless_known(
        render_block(template, block, **context),
        content_type="text/html; charset=utf-8",
        cache_control="private, no-cache",
        language=language().code,
    )


def show_anew(template: str, **context: object) -> Response:
    """The whole content, as the answer to a part of a page that has become another page."""
    response = show(template, block="main", **context)
    response.headers["HX-Retarget"] = "#main"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def move_to(path: str) -> ResponseReturnValue:
    """Send the browser on to another page of ours after a form, with htmx or without."""
    if not wants_fragment():
        return redirect(path, code=303)
    response = Response(status=204)
    # "show" scrolls to the top, as a browser does on a new page.
    response.headers["HX-Location"] = json.dumps({"path": path, "swap": "innerHTML show:top"})
    return response
