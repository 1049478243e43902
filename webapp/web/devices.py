"""The device that somebody logs in with: what it is, and the cookie by which it is known again.

The cookie opens nothing. It says that somebody has logged in there to an account, so that failures
of others do not count against them.
"""

import secrets
from typing import Any

from flask import Response, after_this_request, current_app, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE = "nextup-device"
A_YEAR = 365 * 24 * 60 * 60

# {what a User-Agent header holds: what it stands for}; the first that is found counts.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


def device_name() -> str:
    """Browser and system, such as "Firefox, Android"; nothing of the header itself."""
    header = request.environ.get("HTTP_USER_AGENT", "")
    found = [
        next((name for part, name in names.items() if part in header), "")
        for names in (BROWSERS, SYSTEMS)
    ]
    return ", ".join(filter(None, found))


def known_device(account: str) -> str | None:
    """The random name of this device, if somebody has logged in to `account` with it."""
    cookie = request.cookies.get(_name())
    if cookie is None:
        return None
    try:
        named, device = _signer().loads(cookie, max_age=A_YEAR)
    except (BadSignature, TypeError, ValueError):
        return None
    return str(device) if named == account else None


def remember_device(account: str) -> None:
    """Have the answer to this request make the device known for `account`, and no other one."""
    value: Any = _signer().dumps([account, known_device(account) or secrets.token_urlsafe(12)])

    @after_this_request
    def set_cookie(response: Response) -> Response:
        response.set_cookie(
            _name(),
            value,
            max_age=A_YEAR,
            secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
            httponly=True,
            samesite="Lax",
        )
        return response


def _name() -> str:
    return f"__Host-{COOKIE}" if current_app.config["SESSION_COOKIE_SECURE"] else COOKIE


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt=COOKIE)
