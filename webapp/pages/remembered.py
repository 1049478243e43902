"""The bookings made on this device: their references, in a signed cookie of their own."""

from collections.abc import Sequence
from functools import lru_cache

from flask import Response, after_this_request, current_app, request
from itsdangerous import BadSignature

from webapp.web.fast_sessions import PlainJSON, QuickSerializer, set_cookie

COOKIE = "nextup-bookings"
MOST = 20
A_YEAR = 365 * 24 * 60 * 60


def references() -> list[str]:
    """What is remembered, latest first. A cookie that somebody has changed counts for nothing."""
    cookie = request.cookies.get(_name(), "")
    try:
        return [str(one) for one in _signer().loads(cookie)][:MOST] if cookie else []
    except BadSignature:
        return []


def remember(reference: str) -> None:
    """Remember one more booking; the oldest gives way when there are too many."""
    keep([reference, *(one for one in references() if one != reference)])


def forget(reference: str) -> None:
    """Remember a booking no more."""
    keep([one for one in references() if one != reference])


def replace(old: str, new: str) -> None:
    """Remember a booking by another reference, where it is remembered."""
    keep([new if one == old else one for one in references()])


def keep(wanted: Sequence[str]) -> None:
    """Have the answer to this request make the device remember exactly these."""
    if list(wanted) == references():
        return
    secure = bool(current_app.config["SESSION_COOKIE_SECURE"])

    @after_this_request
    def set_on(response: Response) -> Response:
        if wanted:
            value = _signer().dumps(wanted[:MOST])
            set_cookie(
                response,
                _name(),
                value,
                max_age=A_YEAR,
                secure=secure,
                httponly=True,
                samesite="Lax",
            )
        else:
            response.delete_cookie(_name(), secure=secure, httponly=True, samesite="Lax")
        return response


def _name() -> str:
    return f"__Host-{COOKIE}" if current_app.config["SESSION_COOKIE_SECURE"] else COOKIE


def _signer() -> QuickSerializer:
    return _signer_with(current_app.config["SECRET_KEY"])


# There is one secret key; only tests have more.
@lru_cache(maxsize=16)
def _signer_with(secret_key: str) -> QuickSerializer:
    return QuickSerializer(secret_key, salt=COOKIE, serializer=PlainJSON)
