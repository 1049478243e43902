"""What comes by mail for an organizer's account: a new password, and the proof of an address.

Following a link changes nothing, for scanners of mails follow links, too; the button does.
"""

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import addresses
from webapp.accounts.addresses import Purpose, read_token
from webapp.pages.forms import form_on
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.rate_limits import FIND_FORMS, limited, network
from webapp.web.schemas import FindBookings, NewPassword, from_form

bp = Blueprint("account", __name__)


@bp.get("/login/lost")
def lost_password() -> ResponseReturnValue:
    """The form to ask for a new password."""
    return show("auth/lost.html")


@bp.post("/login/lost")
@limited(FIND_FORMS)
@form_on("account.lost_password")
def ask_for_password() -> ResponseReturnValue:
    """Mail the links, and answer the same whether or not there is an account."""
    email = from_form(FindBookings, request.form).email
    addresses.ask_for_new_password(email, network=network())
    flash(
        _(
            "If there is an account with this address, and its owner has shown that it is theirs,"
            " a mail is on its way to it. Its link works for an hour."
        )
    )
    return move_to(url_for("account.lost_password"))


@bp.get("/login/new-password")
def choose_password() -> ResponseReturnValue:
    """The form behind the link of the mail."""
    _said, owner = read_token(Purpose.RESET, _text())
    return show("auth/new_password.html", username=owner.username, token=_text())


@bp.post("/login/new-password")
@form_on("account.choose_password")
def set_password() -> ResponseReturnValue:
    """Set the password; all sign-ins end."""
    wanted = from_form(NewPassword, request.form).new_password
    username = addresses.reset_password(
        _text(), password=wanted, revoke_tokens=request.form.get("revoke_tokens") == "yes"
    )
    flash(_("%(name)s has a new password. Log in with it.", name=username))
    return move_to(url_for("auth.login"))


@bp.get("/login/address")
def confirm_address() -> ResponseReturnValue:
    """The page of the button that proves an address."""
    said, owner = read_token(Purpose.ADDRESS, _text())
    return show("auth/address.html", username=owner.username, address=said.address, token=_text())


@bp.post("/login/address")
@form_on("account.confirm_address")
def set_address() -> ResponseReturnValue:
    """Give the account its proven address."""
    address = addresses.set_address(_text())
    return show("auth/address.html", address=address, is_done=True)


def _text() -> str:
    """The token as it came: with the link of the mail, or with the form behind it."""
    return request.values.get("token", "")
