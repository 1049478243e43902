"""Organizers log in and out."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import DomainError
from webapp.logs import log_event
from webapp.pages import forms
from webapp.pages.forms import form_on
from webapp.web.htmx import move_to, show
from webapp.web.passwords import check_password, remember_device
from webapp.web.rate_limits import client
from webapp.web.schemas import Login, from_form
from webapp.web.security import current_login, is_from_another_site, local_path, log_in, log_out

bp = Blueprint("auth", __name__)

# No page of ours has an address near it.
LONGEST_PATH = 2000


class WrongLogin(DomainError):
    """The same for an unknown name and for a wrong password."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("wrong_login")


@bp.get("/login")
def login() -> ResponseReturnValue:
    """The form to log in with."""
    if current_login() is not None:
        return _go_on()
    next_path = "" if is_from_another_site() else request.form.get("next", "")
    return show("auth/login.html", next_path=request.args.get("next", next_path))


def ask_to_log_in() -> ResponseReturnValue:
    """Stop a request of somebody who is not logged in; what they typed comes back afterwards."""
    if request.method in ("GET", "HEAD"):
        wanted = request.full_path.rstrip("?")
        return move_to(url_for("auth.login", next=wanted if len(wanted) <= LONGEST_PATH else None))
    if is_from_another_site():
        return move_to(url_for("auth.login"))
    response = show("auth/login.html", carried=forms.carry())
    response.status_code = 401
    return response


@bp.post("/login")
@form_on("auth.login")
def try_login() -> ResponseReturnValue:
    """Log in, and go where the organizer wanted to."""
    form = from_form(Login, request.form)
    account = check_password(form.username, form.password)
    if account is None or not log_in(account):
        raise WrongLogin
    remember_device(account)
    log_event("login", username=account.username, client=client())
    return _go_on()


@bp.post("/logout")
@form_on("auth.login")
def logout() -> ResponseReturnValue:
    """Log out."""
    log_out()
    return move_to(url_for("attendee.events"))


def _go_on() -> ResponseReturnValue:
    """Back to the form that met the login page, else to where the organizer wanted to."""
    shown = forms.show_carried(request.form.get("carried", ""), blueprint="organizer")
    if shown is not None:
        return shown
    return move_to(local_path(request.values.get("next"), otherwise=url_for("organizer.events")))
