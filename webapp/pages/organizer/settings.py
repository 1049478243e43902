"""An organizer's settings: a page for each section, and each works alone."""

from flask import flash, g, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import addresses, services
from webapp.accounts.contacts import contact_of
from webapp.accounts.logins import devices_of, end_logins
from webapp.accounts.services import Account, Level, find_account
from webapp.accounts.tokens import create_token, revoke_token, tokens_of
from webapp.config import current_settings
from webapp.errors import InvalidInput, Problem
from webapp.logs import log_event
from webapp.mail.trial import send_trial
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp, organizer_id
from webapp.pages.organizer.contact import as_text
from webapp.web.htmx import move_to, show
from webapp.web.language import gettext as _
from webapp.web.language import language, ngettext
from webapp.web.paging import number_in
from webapp.web.passwords import check_password
from webapp.web.rate_limits import NEW_ADDRESSES_OF_ACCOUNT, TRIAL_MAILS, limited
from webapp.web.schemas import FindBookings, NewPassword, NewToken, OwnPassword, from_form
from webapp.web.security import current_login


def me_as_caller() -> str:
    """The account that a limit counts for."""
    login = current_login()
    return str(login.organizer_id) if login is not None else ""


def _prove_password() -> Account:
    """The organizer who is logged in, once more with their password. Raises `InvalidInput`."""
    password = from_form(OwnPassword, request.form).password
    account = find_account(organizer_id())
    assert account is not None
    proved = check_password(account.username, password)
    if proved is None:
        raise InvalidInput({"password": Problem("wrong_password")})
    return proved


@bp.get("/settings")
def settings() -> ResponseReturnValue:
    """The first section."""
    return move_to(url_for("organizer.account"))


@bp.get("/settings/account")
def account() -> ResponseReturnValue:
    """What attendees see of the organizer, and the account's own address."""
    contact = contact_of(organizer_id())
    return show(
        "organizer/settings/account.html",
        owner=addresses.owner_of(organizer_id()),
        contact=contact,
        contact_seen=as_text(contact),
    )


@bp.post("/settings/account/address")
@limited(NEW_ADDRESSES_OF_ACCOUNT, caller=me_as_caller)
@form_on("organizer.account")
def change_address() -> ResponseReturnValue:
    """Ask a new address by mail whether it is one; it counts once the mail's link was opened."""
    given = request.form.get("email", "").strip()
    address = from_form(FindBookings, request.form).email if given else None
    me = _prove_password()
    owner = addresses.owner_of(me.id)
    if address is None:
        addresses.remove_address(me.id)
        flash(_("The account has no address now."))
    elif address == owner.email and owner.email_is_proven:
        flash(_("This is the account's address already."))
    else:
        addresses.ask_address(me.id, address=address)
        flash(
            _(
                "We have mailed %(address)s. Open the link in that mail: until then everything"
                " stays as it is.",
                address=address,
            )
        )
    return move_to(url_for("organizer.account"))


@bp.get("/settings/password")
def password() -> ResponseReturnValue:
    """The form for a new password."""
    return show("organizer/settings/password.html", count=len(tokens_of(organizer_id())))


@bp.post("/settings/password")
@form_on("organizer.password")
def change_password() -> ResponseReturnValue:
    """Set a new password and end all other sign-ins."""
    wanted = from_form(NewPassword, request.form).new_password
    me, login = _prove_password(), current_login()
    assert login is not None
    services.set_password(
        me.id,
        password=wanted,
        version=me.credential_version,
        kept_login=login.id,
        revoke_tokens=request.form.get("revoke_tokens") == "yes",
        field="new_password",
    )
    flash(_("Your password is changed. You are logged out everywhere else."))
    return move_to(url_for("organizer.password"))


@bp.get("/settings/sign-ins")
def sign_ins() -> ResponseReturnValue:
    """Where the organizer is logged in."""
    login = current_login()
    return show("organizer/settings/sign_ins.html", devices=devices_of(organizer_id()), login=login)


@bp.post("/settings/sign-ins")
@form_on("organizer.sign_ins")
def end_sign_ins() -> ResponseReturnValue:
    """End one sign-in, or all but this one; again is harmless."""
    login, chosen = current_login(), request.form.get("login", "")
    assert login is not None
    if chosen:
        ended = number_in(chosen)
        if ended is not None:
            end_logins(organizer_id(), only=ended)
        if ended == login.id:
            session.clear()
            g.pop("login", None)
            return move_to(url_for("auth.login"))
        flash(_("That device is logged out."))
    else:
        count = end_logins(organizer_id(), all_but=login.id)
        flash(
            ngettext(
                "%(num)s other device is logged out.",
                "%(num)s other devices are logged out.",
                count,
            )
        )
    log_event("sign-ins ended", organizer_id=organizer_id())
    return move_to(url_for("organizer.sign_ins"))


@bp.get("/settings/tokens")
def api_tokens(made: str = "") -> ResponseReturnValue:
    """The API tokens, and the form for another one."""
    return show(
        "organizer/settings/tokens.html",
        tokens=tokens_of(organizer_id()),
        levels=list(Level),
        made=made,
    )


@bp.post("/settings/tokens")
@form_on("organizer.api_tokens")
def make_token() -> ResponseReturnValue:
    """Make a token and show it, this one time."""
    # Days that are left empty are none, and no wrong number either.
    wanted = from_form(NewToken, {name: v for name, v in request.form.items() if v.strip()})
    made = create_token(
        organizer_id(), name=wanted.name, level=Level(wanted.level), days=wanted.days
    )
    log_event("token made", organizer_id=organizer_id(), level=wanted.level)
    return api_tokens(made)


@bp.post("/settings/tokens/<id:token_id>/revoke")
@form_on("organizer.api_tokens")
def end_token(token_id: int) -> ResponseReturnValue:
    """End a token at once."""
    name = revoke_token(token_id, organizer_id=organizer_id())
    log_event("token revoked", organizer_id=organizer_id())
    flash(_("The token “%(name)s” is revoked.", name=name))
    return move_to(url_for("organizer.api_tokens"))


@bp.post("/settings/mails/trial")
@limited(TRIAL_MAILS, caller=me_as_caller)
@form_on("organizer.notices")
def try_mail() -> ResponseReturnValue:
    """Send a mail to the organizer at once, and show what the mail server says."""
    owner = addresses.owner_of(organizer_id())
    if owner.email is None:
        flash(_("Your account has no address yet, so nothing is mailed to you."))
        return move_to(url_for("organizer.notices"))
    trial = send_trial(owner.email, language())
    if not trial.is_sent:
        flash(_("The mail was not sent: %(words)s", words=trial.said))
    elif current_settings().mail_url is None:
        flash(_("There is no mail server, so the mail is in a file: %(path)s", path=trial.said))
    else:
        flash(
            _(
                "The mail server took a mail to %(address)s. It said: %(words)s",
                address=owner.email,
                words=trial.said,
            )
        )
    return move_to(url_for("organizer.notices"))


@bp.get("/settings/site")
def site() -> ResponseReturnValue:
    """What is set for the whole site, and where."""
    return show("organizer/settings/site.html", settings=current_settings())
