"""The language of the pages, as a visitor chooses it."""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote

from flask import Blueprint, Flask, current_app, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from jinja2 import pass_environment
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from webapp.accounts.services import set_language
from webapp.text.languages import LANGUAGES, Language
from webapp.text.templates import Templates
from webapp.web import kept_pages
from webapp.web.language import keep_choice
from webapp.web.security import current_login, is_from_another_site, local_path

bp = Blueprint("language", __name__)

BUTTON = Markup('<button class="plain" name="language" value="{0}" lang="{0}"{2}>{1}</button>')
CURRENT = Markup(' aria-current="true"')


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(here=kept_pages.differs(here), language_buttons=language_buttons)


def here() -> str:
    """The address of the page that is shown, for a form that comes back to it."""
    environ = request.environ
    path = quote(environ["PATH_INFO"], encoding="latin-1")
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        query = environ.get("QUERY_STRING", "")
        return f"{path}?{query}" if query else path
    # A form that is shown again mostly has the address of its page.
    urls = current_app.create_url_adapter(request)
    try:
        assert urls is not None
        urls.match(request.path, method="GET")
    except HTTPException:
        return url_for("attendee.events")
    return path


@pass_environment
def language_buttons(templates: Templates) -> Markup:
    """A button for each language, as its speakers call it."""
    return _buttons(templates.language, tuple(LANGUAGES.values()))


@lru_cache(maxsize=64)
def _buttons(current: Language, languages: Sequence[Language]) -> Markup:
    return Markup(" ").join(
        BUTTON.format(each.code, each.name, CURRENT if each is current else "")
        for each in languages
    )


@bp.post("/language")
def choose() -> ResponseReturnValue:
    """Remember a language and go back to the page; an organizer is written to in it as well.

    It needs no token, for which every page would have to begin a session: another site could change
    nothing but the words.
    """
    path = local_path(request.form.get("next"), otherwise=url_for("attendee.events"))
    response = make_response(redirect(path, code=303))
    chosen = LANGUAGES.get(request.form.get("language", ""))
    if chosen is not None and not is_from_another_site():
        keep_choice(response, chosen)
        login = current_login()
        if login is not None:
            set_language(login.organizer_id, chosen.code)
    return response
