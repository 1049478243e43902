"""A door pass becomes a cookie: by its link, for as long as it is good.

The cookie goes to the door's addresses alone. The token of its forms is bound to it, not to the
browser's session: a page that was kept without network for an evening can still send.
"""

import hmac
from typing import cast

from flask import Response, after_this_request, current_app, flash, g, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from webapp import clock
from webapp.booking.queries import find_event
from webapp.door.passes import DoorPass
from webapp.logs import log_event
from webapp.pages.door import bp
from webapp.pages.forms import form_on
from webapp.storage.rows import EventRow
from webapp.web.door_passes import check_pass
from webapp.web.htmx import move_to
from webapp.web.language import gettext as _

COOKIE = "nextup-door"
# Where the token of a form or call may stand, as for all other forms.
CSRF_FIELD, CSRF_HEADERS = "csrf_token", ("X-CSRF-Token", "X-CSRFToken")
SAFE = ("GET", "HEAD", "OPTIONS")


@bp.before_request
def require_pass() -> None:
    """Every route here is for a device with a pass, but the one that gives it the cookie."""
    if request.endpoint == f"{bp.name}.open_door":
        return
    token = request.cookies.get(_name(), "")
    g.door_pass = check_pass(token)
    if request.endpoint == f"{bp.name}.page":
        # An event that is moved moves the end of its passes.
        _keep(token, g.door_pass)
    g.door_csrf_token = csrf_token_of(token)
    # Once refused, the form is only shown again.
    if request.method not in SAFE and not g.get("is_door_form_refused"):
        named = (request.headers.get(header) for header in CSRF_HEADERS)
        sent = next(filter(None, named), None) or request.form.get(CSRF_FIELD, "")
        if not hmac.compare_digest(sent.encode(errors="replace"), g.door_csrf_token.encode()):
            g.is_door_form_refused = True
            raise CSRFError


def current_pass() -> DoorPass:
    """The pass of the device that asks."""
    return cast(DoorPass, g.door_pass)


def current_event() -> EventRow:
    """The event at whose door the device is, as it is now. Raises `EventNotFound`."""
    return find_event(current_pass().event_id, with_drafts=True)


def door_csrf_token() -> str:
    """`csrf_token_of` the device that asks."""
    return str(g.door_csrf_token)


@bp.get("/<token>")
def open_door(token: str) -> ResponseReturnValue:
    """Give the device a pass by its link; the address it stands at holds no token."""
    found = check_pass(token)
    log_event("door opened", event_id=found.event_id, door_pass=found.id)
    _keep(token, found)
    return move_to(_path())


@bp.post("/sign-out")
@form_on("door.page")
def sign_out() -> ResponseReturnValue:
    """Take the pass off the device; on another one its link still works."""
    log_event("door left", event_id=current_pass().event_id, door_pass=current_pass().id)

    @after_this_request
    def delete_cookie(response: Response) -> Response:
        response.delete_cookie(
            _name(), path=_path(), secure=_is_secure(), httponly=True, samesite="Lax"
        )
        return response

    flash(_("This device is not at the door any more."))
    return move_to(url_for("attendee.events"))


def _keep(token: str, door_pass: DoorPass) -> None:
    """Have the answer to this request make the device keep its pass, until that ends."""
    seconds = int((door_pass.expires_at - clock.now()).total_seconds())

    @after_this_request
    def set_cookie(response: Response) -> Response:
        response.set_cookie(
            _name(),
            token,
            max_age=seconds,
            path=_path(),
            secure=_is_secure(),
            httponly=True,
            samesite="Lax",
        )
        return response


def csrf_token_of(token: str) -> str:
    """What the forms and calls of the device with a pass have to send."""
    key = current_app.secret_key
    assert isinstance(key, str)
    return hmac.digest(key.encode(), b"door form " + token.encode(), "sha256").hex()


def _path() -> str:
    return f"{request.script_root}{bp.url_prefix}"


def _name() -> str:
    return f"__Secure-{COOKIE}" if _is_secure() else COOKIE


def _is_secure() -> bool:
    return bool(current_app.config["SESSION_COOKIE_SECURE"])
