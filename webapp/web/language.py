"""Whose language: that of the page which answers a request."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flask import Response, current_app, has_request_context, request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from webapp.config import current_settings
from webapp.text.languages import ENGLISH, LANGUAGES, Language

COOKIE = "nextup-language"
# Under this name the WSGI environment of a request keeps what was found out.
REMEMBERED = "nextup.language"
A_YEAR = 365 * 24 * 60 * 60
# What people send is shorter, and what is longer is not worth remembering.
LONGEST_HEADER = 200
# The API is English.
ENGLISH_ONLY = ("/api/",)


def language() -> Language:
    """What the visitor chose in the footer, else what their browser asks for, else `LANGUAGE`.

    It is English where no request is answered.
    """
    if not has_request_context():
        return ENGLISH
    environ = request.environ
    known: Language | None = environ.get(REMEMBERED)
    if known is None:
        known = environ[REMEMBERED] = _language_for(environ)
    return known


def chosen_language() -> str | None:
    """The code of the visitor's language; none where it is that of `LANGUAGE`."""
    code = language().code
    return code if code != current_settings().language else None


def _language_for(environ: Mapping[str, Any]) -> Language:
    if environ["PATH_INFO"].startswith(ENGLISH_ONLY):
        return ENGLISH
    chosen = request.cookies.get(cookie_name(), "") if "HTTP_COOKIE" in environ else ""
    asked_for = environ.get("HTTP_ACCEPT_LANGUAGE", "")[:LONGEST_HEADER]
    return LANGUAGES.get(chosen) or _asked_for(asked_for) or LANGUAGES[current_settings().language]


def gettext(message: str, **values: object) -> str:
    """A text in the visitor's language; %(name)s in it stands for the value of that name."""
    return language().gettext(message, **values)


def ngettext(one: str, many: str, num: int, **values: object) -> str:
    """A text that depends on a number, which stands for %(num)s, in the visitor's language."""
    return language().ngettext(one, many, num, **values)


def keep_choice(response: Response, language: Language) -> None:
    """Have the visitor's browser remember a language."""
    response.set_cookie(
        cookie_name(),
        language.code,
        max_age=A_YEAR,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )


def cookie_name() -> str:
    return f"__Host-{COOKIE}" if current_app.config["SESSION_COOKIE_SECURE"] else COOKIE


@lru_cache(maxsize=256)
def _asked_for(header: str) -> Language | None:
    """The first that we have of the languages in an Accept-Language header, best liked first.

    Who asks for a variant such as de-AT gets the language.
    """
    known = {code.lower(): language for code, language in LANGUAGES.items()}
    for tag, quality in parse_accept_header(header, LanguageAccept):
        code = tag.lower() if quality else ""
        while code and code not in known:
            code = code.rpartition("-")[0]
        if code:
            return known[code]
    return None
