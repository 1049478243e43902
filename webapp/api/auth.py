"""Who is asking: an organizer by Basic or by a Bearer token, or nobody in particular."""

from typing import cast

from flask import g, request

from webapp.accounts.services import Account
from webapp.accounts.tokens import check_token
from webapp.door.passes import TOKEN_PREFIX, DoorPass
from webapp.errors import DomainError
from webapp.extensions import basic_auth, token_auth
from webapp.web.door_passes import check_pass
from webapp.web.passwords import check_password


class Unauthorized(DomainError):
    """Whoever asks has to say who they are.

    `reason` is "login_needed", "reference_or_login_needed" or "wrong_credentials".
    """

    code = "unauthorized"


basic_auth.verify_password(check_password)
# A token is random: guesses need no throttle but the limit.
token_auth.verify_token(lambda token: check_token(token) if token else None)
# Flask-HTTPAuth's own choice between several schemes takes "bearer" for another word than "Bearer".
_identify = {
    "basic": basic_auth.login_required(optional=True)(basic_auth.current_user),
    "bearer": token_auth.login_required(optional=True)(token_auth.current_user),
}


def presented_account() -> Account | None:
    """The account whose credentials the request carries; none where they are wrong.

    Raises `TooManyRequests` after too many failures, `Unavailable`.
    """
    given = request.authorization
    identify = _identify.get(given.type) if given is not None else None
    return cast(Account | None, identify()) if identify is not None else None


def presented_pass() -> DoorPass | None:
    """The door pass that the request carries; none where it carries something else.

    Raises `PassEnded`, `TooManyRequests` after too many guesses, `Unavailable`.
    """
    given = request.authorization
    token = given.token if given is not None and given.type == "bearer" else None
    return check_pass(token) if token and token.startswith(TOKEN_PREFIX) else None


def required_account() -> Account:
    """The organizer who asks; everybody else is told to say who they are."""
    account = cast(Account | None, g.caller)
    if account is None:
        raise Unauthorized("login_needed")
    return account
