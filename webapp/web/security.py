"""The organizer's session, and the headers that every answer carries."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from flask import Flask, Response, g, request, session

from webapp.accounts.logins import Login, begin_login, end_login, find_login, note_use
from webapp.accounts.services import Account
from webapp.config import current_settings
from webapp.errors import Unavailable
from webapp.logs import begin_request
from webapp.web.devices import device_name
from webapp.web.fast_sessions import LazySessionInterface
from webapp.web.third_party import HTMX

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOGIN_KEY = "login"

# Nothing is allowed that is not listed; there are no inline scripts and no inline styles.
CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
POLICY_HEADER = "Content-Security-Policy"
# Under this name the WSGI environment of a request holds a policy of its own.
OWN_POLICY = "nextup.policy"
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=()",
    # The address of a booking is a secret: no other site may see where a visitor comes from.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# What a page depends on beside its address.
VARIES_BY = ("HX-Request-Type", "Accept-Language", "Cookie")
# HTTP wants a challenge with each 401. Browsers open no window of their own for this one.
ASK_BY_PAGE = 'Cookie realm="Nextup", form-action="/login"'
# The pages for everybody: no other one belongs into a search engine.
INDEXED = {"attendee.events", "attendee.event", "api.docs"}
STRICT_TRANSPORT = "max-age=31536000"

is_cookie_of_ours = re.compile(r"(__(Host|Secure)-)?nextup(-.*)?").fullmatch
# Browsers take a backslash for a slash, and drop tabs and line breaks.
is_local_path = re.compile(r"/(?![/\\])[!-\[\]-~]*").fullmatch


def init_app(app: Flask) -> None:
    secure = app.extensions["settings"].base_url.startswith("https://")
    app.config.update(
        SESSION_COOKIE_NAME="__Host-nextup" if secure else "nextup",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        # It asks for the Referer, which our own policy tells browsers not to send.
        WTF_CSRF_SSL_STRICT=False,
    )
    app.session_interface = LazySessionInterface()
    elsewhere = () if app.extensions["settings"].htmx_is_local else (HTMX.url,)
    app.wsgi_app = FixedHeaders(app.wsgi_app, secure=secure, scripts=elsewhere)  # type: ignore[method-assign]
    app.after_request(_keep_private)
    app.after_request(_keep_here)
    app.add_template_global(current_login)


def content_security_policy(scripts: Iterable[str] = ()) -> str:
    """What a page may use, with the addresses of scripts that are not ours."""
    allowed = {**CONTENT_SECURITY_POLICY}
    allowed["script-src"] = " ".join([allowed["script-src"], *scripts])
    return "; ".join(f"{directive} {sources}" for directive, sources in allowed.items())


def widen_policy(further: Mapping[str, Iterable[str]]) -> None:
    """Allow the answer to this request more than others: `{directive: [source]}`."""
    allowed = {**CONTENT_SECURITY_POLICY}
    for directive, sources in further.items():
        allowed[directive] = " ".join([allowed.get(directive, ""), *sources]).strip()
    policy = "; ".join(f"{directive} {sources}" for directive, sources in allowed.items())
    request.environ[OWN_POLICY] = (POLICY_HEADER, policy)


def log_in(account: Account) -> bool:
    """Begin a new session: nothing of the one before it is kept.

    There is none where the account has been given a new password since this one was checked.
    """
    log_out()
    code = begin_login(account, device=device_name())
    if code is not None:
        session[LOGIN_KEY] = code
    return code is not None


def log_out() -> None:
    """End the session, and the sign-in with it: a copy of the cookie is worth nothing then."""
    if current_login() is not None:
        end_login(session[LOGIN_KEY])
    session.clear()
    g.pop("login", None)


def current_login() -> Login | None:
    """Who is logged in, if anybody is."""
    if "login" not in g:
        code = session.get(LOGIN_KEY)
        g.login = find_login(code) if isinstance(code, str) else None
    return cast(Login | None, g.login)


def note_login_is_used() -> None:
    """Keep a sign-in that is used from ending; seldom is there anything to write."""
    login = current_login()
    # Whoever only reads can do so while nothing can be written.
    with contextlib.suppress(Unavailable):
        if login is not None and note_use(login):
            # The cookie is signed with the time of its own last change.
            session.modified = True


def is_from_another_site() -> bool:
    """Whether a page of somebody else's had this request sent, as far as a browser tells.

    It says so under https and on the same machine. Elsewhere it names the site that a form comes
    from, but where that hides itself, as ours do: then it leaves out our cookies, if it is another.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site not in ("same-origin", "none")
    if origin == "null":
        return not any(is_cookie_of_ours(name) for name in request.cookies)
    ours = (request.host_url, f"{current_settings().base_url}/")
    return origin is not None and not any(url.startswith(f"{origin}/") for url in ours)


def local_path(path: str | None, *, otherwise: str) -> str:
    """`path` if it leads to a page of ours."""
    return path if path and is_local_path(path) else otherwise


def _keep_private(response: Response) -> Response:
    """A page is its visitor's own and in their language, and another one for htmx.

    Nothing is kept that does not say so.
    """
    headers = response.headers
    # Each look for a header goes through all of them.
    has = {name.lower(): value for name, value in headers}
    is_page = has.get("content-type", "").startswith("text/html")
    if "cache-control" not in has:
        headers.add("Cache-Control", "private, no-store" if is_page else "no-store")
    if is_page:
        if response.status_code == 401:
            headers["WWW-Authenticate"] = ASK_BY_PAGE
        if "vary" in has:
            response.vary.update(VARIES_BY)
        else:
            headers.add("Vary", ", ".join(VARIES_BY))
        if request.endpoint not in INDEXED:
            headers["X-Robots-Tag"] = "noindex"
    return response


def _keep_here(response: Response) -> Response:
    """The router redirects to whole addresses, with whatever host the client has named."""
    location = response.headers.get("Location")
    if location is not None and not is_local_path(location):
        path = urlsplit(location)._replace(scheme="", netloc="").geturl()
        response.headers["Location"] = local_path(path, otherwise="/")
        # It holds the address once more.
        response.set_data(b"")
    return response


class FixedHeaders:
    """WSGI middleware: every answer carries the same headers, also one that no view has made.

    With them comes X-Request-ID, which is in each line of the log.
    """

    def __init__(
        self, app: "WSGIApplication", *, secure: bool, scripts: Iterable[str] = ()
    ) -> None:
        self.app = app
        self.policy = (POLICY_HEADER, content_security_policy(scripts))
        self.headers = [*HEADERS.items()]
        if secure:
            self.headers.append(("Strict-Transport-Security", STRICT_TRANSPORT))

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> "Iterable[bytes]":
        request_id = begin_request(environ.get("HTTP_X_REQUEST_ID", ""))

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            policy = environ.get(OWN_POLICY, self.policy)
            headers += [("X-Request-ID", request_id), policy, *self.headers]
            return start_response(status, headers, *rest)

        return self.app(environ, start)
