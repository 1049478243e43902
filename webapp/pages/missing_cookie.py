"""Why a form came without the cookie that its page was sent with, and what to do about it."""

from urllib.parse import urlsplit

from flask import current_app, request
from markupsafe import Markup

from webapp.config import current_settings
from webapp.web.language import gettext as _

# A form that came without its cookie is shown again with this field, so that the next time tells
# whether the cookie was lost once or is never kept.
FIELD = "withoutCookie"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_missing() -> bool:
    """Whether this request came without the cookie of a session."""
    return current_app.config["SESSION_COOKIE_NAME"] not in request.cookies


def why_refused(page: str) -> str:
    """What is told of a form whose token could not be checked; `page` is the path it is on."""
    base_url = current_settings().base_url
    ours = urlsplit(base_url)
    link = Markup('<a href="{}">{}</a>').format(base_url + page, base_url)
    if not is_missing():
        return _("This page was open for too long. Nothing was sent yet: please send it again.")
    # Browsers say this wherever they keep such a cookie, also behind a proxy that does not tell.
    is_secure = request.is_secure or "Sec-Fetch-Site" in request.headers
    if current_app.config["SESSION_COOKIE_SECURE"] and not is_secure:
        return _(
            "This page was opened without encryption, where your browser keeps no cookie of this"
            " site, so nothing was sent. Open it at %(link)s and send it from there.",
            link=link,
        )
    if FIELD not in request.form:
        return _(
            "Your browser sent no cookie of this site, so nothing was sent yet. Please send it"
            " once more."
        )
    if request.host != ours.netloc.lower() and ours.hostname not in LOOPBACK:
        return _(
            "Your browser sends no cookie of this site back, so nothing was sent. Open it at"
            " %(link)s instead of the address that you used, allow cookies there, and send it from"
            " there.",
            link=link,
        )
    return _(
        "Your browser sends no cookie of this site back, so nothing was sent, and to send it again"
        " does not help. Allow cookies for this site in the settings of your browser, then send it."
    )
