"""Organizers log in and out."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import InvalidInput
from webapp.extensions import limiter
from webapp.htmx import move_to, show
from webapp.logs import operation
from webapp.pages.forms import form_on
from webapp.schemas import Login, from_form
from webapp.security import current_account, local_path, log_in, log_out
from webapp.services.accounts import check_login

bp = Blueprint("auth", __name__)

TRIES_PER_CLIENT = "5 per minute"
TRIES_PER_NAME = "5 per minute"


class WrongLogin(InvalidInput):
    """The same for an unknown name and for a wrong password."""

    status = 401

    def __init__(self) -> None:
        super().__init__({})
        self.detail = "Name or password is wrong. Check both and try again."


def name_tried() -> str:
    """Whose account is tried, whatever the spelling of the request."""
    return request.form.get("username", "").strip().casefold()[:64]


@bp.get("/login")
def login() -> ResponseReturnValue:
    """The form to log in with."""
    if current_account() is not None:
        return redirect(_destination(), code=303)
    return show("auth/login.html", next_path=request.values.get("next", ""))


@bp.post("/login")
@limiter.limit(TRIES_PER_CLIENT)
@limiter.limit(TRIES_PER_NAME, key_func=name_tried)
@form_on("auth.login")
def try_login() -> ResponseReturnValue:
    """Log in, and go where the organizer wanted to."""
    form = from_form(Login, request.form)
    account = check_login(username=form.username, password=form.password)
    if account is None:
        operation("login refused", username=form.username, client=request.remote_addr)
        raise WrongLogin
    log_in(account)
    operation("login", username=account.username, client=request.remote_addr)
    return move_to(_destination())


@bp.post("/logout")
@form_on("auth.login")
def logout() -> ResponseReturnValue:
    """Log out."""
    log_out()
    return move_to(url_for("attendee.events"))


def _destination() -> str:
    return local_path(request.values.get("next"), otherwise=url_for("organizer.events"))
