"""The site as a whole: its icons, logo and colour, and what it tells search engines."""

from flask import Blueprint, Flask, Response, current_app, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from webapp.brand import ACCENT, ACCENT_IN_THE_DARK, for_the_dark, stylesheet
from webapp.config import current_settings
from webapp.pages.pictures import PICTURE_CSP
from webapp.pages.presentation import absolute_url
from webapp.web.etag import answer_unless_known
from webapp.web.static_files import IMMUTABLE

bp = Blueprint("site", __name__)

A_DAY = "public, max-age=86400"
# Nobody finds these but by a link of their own, and what they show is nobody else's.
PRIVATE = ("/bookings", "/organizer", "/messages", "/login", "/api/bookings", "/events/*/asked")


def init_app(app: Flask) -> None:
    settings = app.extensions["settings"]
    colour = settings.site_color
    app.jinja_env.globals.update(
        # Mails have no stylesheet to go with them.
        accent=colour or ACCENT,
        accent_in_the_dark=for_the_dark(colour) if colour else ACCENT_IN_THE_DARK,
        site_colours="",
        site_logo=settings.site_logo and f"/logo-{settings.site_logo.name}",
        site_links={"imprint": settings.imprint_url, "privacy": settings.privacy_url},
        has_site_links=bool(settings.imprint_url or settings.privacy_url),
    )
    if colour:
        colours = Markup('<link rel="stylesheet" href="/colour-{}.css">')
        app.jinja_env.globals["site_colours"] = colours.format(colour[1:])


@bp.get("/favicon.ico")
def favicon() -> ResponseReturnValue:
    """The icon for programs that ask for it unasked."""
    response = current_app.send_static_file("favicon.ico")
    response.headers["Cache-Control"] = A_DAY
    return response


@bp.get("/robots.txt")
def robots() -> ResponseReturnValue:
    """What search engines may read: the events, and none of what is somebody's own."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in PRIVATE)]
    lines += ["", f"Sitemap: {absolute_url(url_for('feeds.sitemap'))}", ""]
    return answer_unless_known(
        "\n".join(lines), content_type="text/plain; charset=utf-8", cache_control=A_DAY
    )


@bp.get("/logo-<name>")
def logo(name: str) -> ResponseReturnValue:
    """The picture that SITE_LOGO names."""
    picture = current_settings().site_logo
    if picture is None or picture.name != name:
        raise NotFound
    response = Response(picture.content, mimetype=picture.mimetype)
    response.headers["Content-Security-Policy"] = PICTURE_CSP
    response.headers["Cache-Control"] = IMMUTABLE
    response.set_etag(name)
    return response.make_conditional(request)


@bp.get("/colour-<name>.css")
def colour(name: str) -> ResponseReturnValue:
    """What follows from SITE_COLOR."""
    chosen = current_settings().site_color
    if chosen != f"#{name}":
        raise NotFound
    return answer_unless_known(
        stylesheet(chosen), content_type="text/css; charset=utf-8", cache_control=IMMUTABLE
    )
