"""Domain errors, and how they and HTTP's own are shown: as a page, a fragment or JSON."""

from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from jinja2_fragments.flask import render_block
from werkzeug.exceptions import HTTPException

from webapp.config import current_settings
from webapp.htmx import wants_fragment
from webapp.logs import request_id


class DomainError(Exception):
    """Something the caller asked for cannot be done; nothing has been changed.

    `code` is stable and machine-readable, `title` names the kind, `str(error)` is a full sentence
    for a person that says what to do next. `errors` maps a field to what is wrong with it.
    """

    status = 400
    code = "bad_request"
    title = "Bad request"

    def __init__(self, detail: str, *, errors: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or {}


class InvalidInput(DomainError):
    """One or more fields are wrong."""

    status = 400
    code = "invalid_input"
    title = "Invalid input"

    def __init__(self, errors: dict[str, str]) -> None:
        fields = "; ".join(f"{field}: {problem}" for field, problem in errors.items())
        super().__init__(fields, errors=errors)


class EventNotFound(DomainError):
    status = 404
    code = "event_not_found"
    title = "Event not found"

    def __init__(self) -> None:
        super().__init__(
            "There is no such event. Check the address, or look at the list of events."
        )


class BookingNotFound(DomainError):
    status = 404
    code = "booking_not_found"
    title = "Booking not found"

    def __init__(self) -> None:
        super().__init__("There is no such booking. Check that the link or the ids are complete.")


class AlreadyBooked(DomainError):
    """The attendee holds an active booking; `position` is for services, never for a stranger."""

    status = 409
    code = "already_booked"
    title = "Already booked"

    def __init__(self, *, position: int) -> None:
        super().__init__("This attendee already has a booking for this event.")
        self.position = position


class EventClosed(DomainError):
    status = 409
    code = "event_closed"
    title = "Not open for booking"


class SoldOut(DomainError):
    status = 409
    code = "sold_out"
    title = "Sold out"

    def __init__(self) -> None:
        super().__init__("This event is sold out and has no waiting list.")


class WaitingListFull(DomainError):
    status = 409
    code = "waiting_list_full"
    title = "Waiting list full"

    def __init__(self) -> None:
        super().__init__("This event is sold out and its waiting list is full.")


class BookingClosed(DomainError):
    """The booking can no longer be changed by its attendee."""

    status = 409
    code = "booking_closed"
    title = "Too late to change"


class IdempotencyConflict(DomainError):
    status = 422
    code = "idempotency_key_reused"
    title = "Key used before"

    def __init__(self) -> None:
        super().__init__("This key was used for a different request. Send a new key.")


class NameTaken(DomainError):
    status = 409
    code = "name_taken"
    title = "Name taken"


class EditConflict(DomainError):
    """What was to be overwritten has been changed since the caller read it.

    `changed` is {column: value now} of what stands in the way, `row` the whole row as it is now.
    """

    status = 409
    code = "edit_conflict"
    title = "Changed meanwhile"

    def __init__(self, changed: dict[str, Any], *, row: Any) -> None:
        super().__init__(
            "This was changed after you read it. Read it again, then send your change."
        )
        self.changed = changed
        self.row = row


class Unavailable(DomainError):
    """The database is away or too busy; the same request may be sent again."""

    status = 503
    code = "unavailable"
    title = "Busy"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__("We are very busy or the database is away. Try again in a few seconds.")


# What a person can do about an error of HTTP's own.
ADVICE = {
    400: "The request could not be read. Go back and try again.",
    401: "Log in to see this.",
    403: "You may not do this.",
    404: "There is nothing here. Check the address, or start from the list of events.",
    405: "This address cannot be used in this way.",
    413: "What you sent is too large.",
    415: "Send JSON with the content type application/json.",
    429: "That was too often. Wait a little and try again.",
    500: "Something went wrong on our side. It has been noted; try again in a minute.",
}
# What a person reads as the heading; programs get HTTP's own phrase.
HEADINGS = {
    "bad_request": "That could not be read",
    "unauthorized": "Please log in",
    "forbidden": "Not allowed",
    "not_found": "Page not found",
    "method_not_allowed": "Not in this way",
    "body_too_large": "Too large",
    "unsupported_media_type": "Not in this form",
    "rate_limited": "Too often",
    "internal_error": "That went wrong",
}
CODES = {413: "body_too_large", 429: "rate_limited", 500: "internal_error"}


def init_app(app: Flask) -> None:
    app.register_error_handler(DomainError, show_domain_error)
    app.register_error_handler(HTTPException, show_http_error)


def show_domain_error(error: DomainError) -> ResponseReturnValue:
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Unavailable) else {}
    return show(
        error.status, error.code, error.title, error.detail, errors=error.errors, headers=headers
    )


def show_http_error(error: HTTPException) -> ResponseReturnValue:
    if isinstance(error.response, Response):
        return error.response
    status = error.code or 500
    title = HTTPStatus(status).phrase
    code = CODES.get(status, title.lower().replace(" ", "_"))
    headers = {k: v for k, v in error.get_headers() if k in ("Allow", "Retry-After")}
    return show(status, code, title, ADVICE.get(status, f"{title}."), headers=headers)


def show(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """An error as `application/problem+json` (RFC 9457) under /api, else as page or fragment."""
    if request.path.startswith("/api/"):
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
    else:
        context = {
            "status": status,
            "code": code,
            "title": HEADINGS.get(code, title),
            "detail": detail,
            "request_id": request_id(),
        }
        if wants_fragment():
            body = render_block("errors/error.html", "main", **context)
        else:
            body = render_template("errors/error.html", **context)
        response = Response(body, mimetype="text/html")
    response.status_code = status
    response.headers.update(headers or {})
    response.headers.setdefault("Cache-Control", "no-store")
    return response
