"""Errors as answers: a page, a fragment or `application/problem+json`."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Flask, Response, current_app, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from jinja2_fragments.flask import render_block
from werkzeug.exceptions import HTTPException, UnsupportedMediaType

from webapp.config import current_settings
from webapp.errors import DomainError, Unavailable
from webapp.logs import request_id
from webapp.text.sentences import HEADINGS, SENTENCES, problem_sentences, sentence_of
from webapp.web.htmx import wants_fragment
from webapp.web.language import language

View = Callable[..., ResponseReturnValue]


class Kind(NamedTuple):
    """How errors of one code are answered; `title` is what programs read as a heading."""

    status: int
    title: str


# {status: code} of HTTP's own errors
HTTP_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    500: "internal_error",
}
# Every code that the API answers with.
KINDS = {
    "already_booked": Kind(409, "Already booked"),
    "booking_closed": Kind(409, "Too late to change"),
    "booking_not_found": Kind(404, "Booking not found"),
    "choose_ticket_type": Kind(400, "Choose a ticket type"),
    "code_in_use": Kind(409, "Code in use"),
    "code_not_found": Kind(404, "Code not found"),
    "edit_conflict": Kind(409, "Changed meanwhile"),
    "event_closed": Kind(409, "Not open for booking"),
    "event_not_found": Kind(404, "Event not found"),
    "idempotency_key_reused": Kind(422, "Key used before"),
    "insufficient_access": Kind(403, "Insufficient access"),
    "invalid_input": Kind(400, "Invalid input"),
    "link_expired": Kind(410, "Link expired"),
    "link_replaced": Kind(410, "Link replaced"),
    "name_taken": Kind(409, "Name taken"),
    "no_address": Kind(409, "No address"),
    "not_free": Kind(409, "Not so many free"),
    "pass_ended": Kind(401, "Door pass needed"),
    "pass_may_not_sell": Kind(403, "Not with this pass"),
    "pass_not_found": Kind(404, "Door pass not found"),
    "sold_out": Kind(409, "Sold out"),
    "token_not_found": Kind(404, "Token not found"),
    "token_needed": Kind(403, "Token needed"),
    "type_in_use": Kind(409, "Ticket type in use"),
    "type_not_found": Kind(404, "Ticket type not found"),
    "unavailable": Kind(503, "Busy"),
    "unknown_code": Kind(400, "Unknown code"),
    "waiting_list_full": Kind(409, "Waiting list full"),
    **{code: Kind(status, HTTPStatus(status).phrase) for status, code in HTTP_CODES.items()},
}
# What HTTP's own errors tell beside their body.
TOLD_HEADERS = ("Accept-Encoding", "Allow", "Content-Range", "Retry-After")
RETRY_AFTER_SECONDS = "2"
CHALLENGE = 'Basic realm="Nextup", charset="UTF-8", Bearer realm="Nextup"'
# Of a device at the door: asked for a password, its browser would open a window of its own.
ASK_BY_LINK = 'Cookie realm="Nextup"'


def init_app(app: Flask) -> None:
    app.register_error_handler(DomainError, show_domain_error)
    app.register_error_handler(HTTPException, show_http_error)
    # Before anything reads the body.
    app.before_request_funcs.setdefault(None, []).insert(0, refuse_encoded_body)


def status_of(error: DomainError) -> int:
    return KINDS[error.code].status


def headers_of(error: DomainError) -> dict[str, str]:
    """What is told beside the body."""
    return {"Retry-After": RETRY_AFTER_SECONDS} if isinstance(error, Unavailable) else {}


def show_domain_error(error: DomainError) -> Response:
    status, title = KINDS[error.code]
    reads = language()
    return _show(
        status,
        error.code,
        title,
        sentence_of(error, reads),
        errors=problem_sentences(error, reads),
        headers=headers_of(error),
    )


def show_http_error(error: HTTPException) -> ResponseReturnValue:
    if isinstance(error.response, Response):
        return error.response
    if error is request.routing_exception and (path := without_slash()):
        return redirect(path, code=308)
    status = error.code or 500
    title = HTTPStatus(status).phrase
    code = HTTP_CODES.get(status, title.lower().replace(" ", "_"))
    headers = {k: v for k, v in error.get_headers() if k in TOLD_HEADERS}
    detail = language().gettext(SENTENCES.get(code, f"{title}."))
    return _show(status, code, title, detail, headers=headers)


def without_slash() -> str:
    """The address without the slash at its end, if there is something to read; else nothing."""
    environ = request.environ
    path, urls = request.path, current_app.create_url_adapter(request)
    if path[-1] != "/" or environ["REQUEST_METHOD"] not in ("GET", "HEAD") or urls is None:
        return ""
    try:
        urls.match(path.rstrip("/"), method="GET")
    except HTTPException:
        return ""
    query = environ.get("QUERY_STRING", "")
    return quote(request.root_path + path.rstrip("/")) + (f"?{query}" if query else "")


def refuse_encoded_body() -> None:
    """Raise `UnsupportedMediaType` for a compressed body: read as it is, it would be nonsense."""
    if request.environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise EncodedBody


class EncodedBody(UnsupportedMediaType):
    def get_headers(self, *arguments: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*arguments), ("Accept-Encoding", "identity")]


def answers_json(view: View) -> View:
    """Mark a view of a page's own calls: it is answered in JSON, also where something is wrong."""
    view.answers_json = True  # type: ignore[attr-defined]
    return view


def _is_call() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "answers_json", False)


def _show(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: Mapping[str, str] | None = None,
    headers: Mapping[str, str],
) -> Response:
    """An error as `application/problem+json` (RFC 9457) to a call, else as page or fragment."""
    if request.path.startswith("/api/") or _is_call():
        problem: dict[str, Any] = {
            "type": f"{current_settings().base_url}/api/docs#{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
        }
        if errors:
            problem["errors"] = errors
        response = jsonify(problem)
        response.mimetype = "application/problem+json"
        if status == 401:
            is_api = request.path.startswith("/api/")
            response.headers["WWW-Authenticate"] = CHALLENGE if is_api else ASK_BY_LINK
    else:
        context = {
            "status": status,
            "code": code,
            "title": language().gettext(HEADINGS.get(code, title)),
            "detail": detail,
            "request_id": request_id(),
        }
        if wants_fragment():
            body = render_block("errors/error.html", "main", **context)
        else:
            body = render_template("errors/error.html", **context)
        response = Response(body, mimetype="text/html")
    response.status_code = status
    response.headers.update(headers)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
