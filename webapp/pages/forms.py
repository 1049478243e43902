"""Forms that are never lost: what cannot be accepted is shown again with what was typed."""

import inspect
import math
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from flask import Flask, Response, current_app, g, make_response, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException, TooManyRequests

from webapp.booking.commands import is_active
from webapp.errors import (
    ChooseTicketType,
    DomainError,
    EditConflict,
    InvalidInput,
    Problem,
    Unavailable,
)
from webapp.pages import missing_cookie, types
from webapp.storage import idempotency
from webapp.storage.idempotency import IdempotencyKey
from webapp.storage.rows import BookingRow
from webapp.text.sentences import problem_sentences, sentence_of
from webapp.web import kept_pages
from webapp.web.error_responses import headers_of, show_domain_error, show_http_error, status_of
from webapp.web.language import gettext as _
from webapp.web.language import language, ngettext
from webapp.web.security import is_from_another_site

View = Callable[..., ResponseReturnValue]

KEY_FIELD = "requestKey"
# Tells what a form was made from, so that it overwrites nothing that was saved since.
SEEN_FIELD = "seen"
NEVER_KEPT = {"csrf_token", "password", "new_password", missing_cookie.FIELD}
is_key = re.compile(r"[A-Za-z0-9_-]{16,64}").fullmatch
is_revision = re.compile(r"[0-9]{1,18}").fullmatch


@dataclass(frozen=True, slots=True)
class Form:
    """What a form shows: a one-time key, and after a refusal what was typed and what is wrong.

    `lacked_cookie` says that it came without the cookie of its page.
    """

    key: str
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    overtaken: bool = False
    lacked_cookie: bool = False

    def value(self, name: str, default: object = "") -> object:
        """What a field shows: what was typed, else `default`."""
        typed = self.typed.get(name)
        return ("" if default is None else default) if typed is None else typed

    def seen(self, now: object) -> object:
        """What the form was made from: `now`, unless it comes back as it was filled in."""
        return self.typed.get(SEEN_FIELD, "") if self.typed else now


class Overtaken(DomainError):
    """A form would overwrite what was saved since it was made; `problems` says what that is.

    Sent once more it carries `seen`, and does.
    """

    code = EditConflict.code

    def __init__(
        self, problems: Mapping[str, Problem], *, seen: object, reason: str = "form"
    ) -> None:
        super().__init__(reason, problems=problems)
        self.seen = str(seen)


class Carried(BaseModel):
    """A form on its way through the login page: where it was sent, and what was typed."""

    path: str
    typed: dict[str, str]


def init_app(app: Flask) -> None:
    app.register_error_handler(CSRFError, _show_again_after_csrf_error)
    app.register_error_handler(TooManyRequests, _show_again_after_limit)
    app.add_template_global(form_of)


def form_of(endpoint: str) -> Form:
    """The form that is sent to a view: as it was refused in this request, or a fresh one."""
    refused: Form | None = g.get("refused_form")
    if refused is not None and request.endpoint == endpoint:
        return refused
    return Form(shown_key())


def new_key() -> str:
    """A one-time key for a form."""
    return secrets.token_urlsafe(16)


shown_key = kept_pages.differs(new_key)


def idempotency_key(operation: str, *, caller: str, **content: object) -> IdempotencyKey | None:
    """The one-time key that the form was sent with, bound to what is asked."""
    key = request.form.get(KEY_FIELD, "")
    return (
        idempotency.bind_key(operation, caller=caller, key=key, **content) if is_key(key) else None
    )


def must_be_sure(wanted: int, booking: BookingRow) -> bool:
    """Whether a form gives tickets back and its sender has not been asked once more."""
    gives_back = is_active(booking.status) and wanted < booking.tickets
    return gives_back and request.form.get("sure") != "yes"


def seen() -> int:
    """The revision that the form of this request was made from.

    It is 0, which is before everything, for a form that does not say.
    """
    text = request.form.get(SEEN_FIELD, "")
    return int(text) if is_revision(text) else 0


def carry() -> str:
    """The form of this request as text, for the login page to hold until it can be shown again."""
    return Carried(path=request.path, typed=_typed()).model_dump_json()


def show_carried(text: str, *, blueprint: str) -> Response | None:
    """Show a form of a blueprint again as the answer to this request, filled in from `carry`.

    It is only shown: whoever typed it sends it once more. Nothing where `text` carries no form.
    """
    try:
        carried = Carried.model_validate_json(text)
        urls = current_app.create_url_adapter(request)
        assert urls is not None
        rule, values = urls.match(carried.path, method="POST", return_rule=True)
    except (ValidationError, HTTPException):
        return None
    if rule.endpoint.partition(".")[0] != blueprint:
        return None
    # From here on this request is answered as the one that was carried would have been.
    request.url_rule, request.view_args = rule, dict(values)
    problem = _("You are logged in again. Nothing was sent yet: please send it again.")
    return make_response(show_before_view(200, problem, typed=carried.typed))


def show_before_view(status: int, problem: str, *, typed: Mapping[str, str]) -> ResponseReturnValue:
    """Show the form of a request that does not get as far as its view, with what was typed."""
    try:
        for blueprint in reversed(request.blueprints):
            for guard in current_app.before_request_funcs.get(blueprint, ()):
                stopped = current_app.ensure_sync(guard)()
                if stopped is not None:
                    return make_response(stopped)
        return _page_of_form(status, problem, typed=typed, keep_key=True)
    except DomainError as domain_error:
        return show_domain_error(domain_error)


def show_typed() -> ResponseReturnValue:
    """Show the form of this request once more as it was typed; nothing is done with it."""
    return _page_of_form(200, "", typed=_typed())


def form_on(page: str) -> Callable[[View], View]:
    """Mark a view that takes a form: the view `page` shows the form again when it is refused."""

    def mark(view: View) -> View:
        @wraps(view)
        def accept(**values: Any) -> ResponseReturnValue:
            try:
                return view(**values)
            except DomainError as error:
                if status_of(error) in (404, 410):
                    raise
                return _show_again(error)

        accept.form_page = page  # type: ignore[attr-defined]
        return accept

    return mark


def _show_again(error: DomainError) -> Response:
    sent = request.form.keys() | request.files.keys()
    if types.has_rows(request.form) or isinstance(error, ChooseTicketType):
        sent |= {types.ALL_ROWS}
    all_shown = isinstance(error, InvalidInput) and error.problems.keys() <= sent
    look_again = _("Please look at the marked fields.")
    response = _page_of_form(
        status_of(error),
        look_again if all_shown else sentence_of(error, language()),
        typed={**_typed(), SEEN_FIELD: error.seen} if isinstance(error, Overtaken) else _typed(),
        errors=problem_sentences(error, language()),
        overtaken=isinstance(error, Overtaken),
        # Under the same key it is safe to send again what may or may not have arrived.
        keep_key=isinstance(error, Unavailable),
    )
    response.headers.update(headers_of(error))
    return response


def _show_again_after_csrf_error(error: CSRFError) -> ResponseReturnValue:
    return _show_again_before_view(error, missing_cookie.why_refused(path_of_form()))


def _show_again_after_limit(error: TooManyRequests) -> ResponseReturnValue:
    seconds = error.retry_after
    if not isinstance(seconds, int):
        return show_http_error(error)
    problem = ngettext(
        "That was too often. Nothing was sent: send it again in %(num)s minute.",
        "That was too often. Nothing was sent: send it again in %(num)s minutes.",
        math.ceil(seconds / 60),
    )
    response = make_response(_show_again_before_view(error, problem))
    response.headers["Retry-After"] = str(seconds)
    return response


def _show_again_before_view(error: HTTPException, problem: str) -> ResponseReturnValue:
    """Show a form again that did not get as far as its view."""
    if not _page_with_form():
        return show_http_error(error)
    return show_before_view(error.code or 400, problem, typed=_typed())


def _page_of_form(
    status: int,
    problem: str,
    *,
    typed: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    keep_key: bool = False,
    overtaken: bool = False,
) -> Response:
    key = typed.get(KEY_FIELD, "")
    keep_key = keep_key and is_key(key) is not None
    key = key if keep_key else new_key()
    lacked_cookie = missing_cookie.is_missing()
    g.refused_form = Form(key, typed, errors or {}, problem, overtaken, lacked_cookie)
    page = current_app.view_functions[_page_with_form()]
    response = make_response(page(**_arguments_of(page)))
    if response.status_code == 200:
        response.status_code = status
    return response


def _arguments_of(page: Callable[..., Any]) -> dict[str, Any]:
    """Those of this request's view that the view of its form takes as well."""
    wanted = inspect.signature(page).parameters
    return {k: v for k, v in (request.view_args or {}).items() if k in wanted}


def path_of_form() -> str:
    """The address of the page with the form that this request sends."""
    page = _page_with_form()
    return (
        current_app.url_for(page, **_arguments_of(current_app.view_functions[page]))
        if page
        else "/"
    )


def _typed() -> dict[str, str]:
    """What was typed into the form of this request; nothing of what another site has sent."""
    if is_from_another_site():
        return {}
    return {name: value for name, value in request.form.items() if name not in NEVER_KEPT}


def _page_with_form() -> str:
    """The endpoint that shows the form which this request sends; empty when there is none."""
    view = current_app.view_functions.get(request.endpoint or "")
    return str(getattr(view, "form_page", ""))
