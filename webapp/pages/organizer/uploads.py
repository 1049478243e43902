"""Forms of organizers with a file: how large it may be, and what is told of a larger one."""

from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from webapp.errors import Problem
from webapp.pages import forms
from webapp.pages.organizer import bp
from webapp.text.sentences import problem_sentence
from webapp.web.error_responses import show_http_error
from webapp.web.htmx import move_to
from webapp.web.language import language
from webapp.web.security import current_login

# {endpoint: (the most bytes that are read, what is told of more)}
_allowed: dict[str, tuple[int, Problem]] = {}


def allow(view: str, largest_body: int, too_large: Problem) -> None:
    """Let a view of ours read a body of so many bytes."""
    _allowed[f"{bp.name}.{view}"] = (largest_body, too_large)


@bp.url_value_preprocessor
def allow_upload(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Let organizers send a file; this comes before anything has been read of it."""
    if endpoint in _allowed and current_login() is not None:
        request.max_content_length = _allowed[endpoint][0]


@bp.errorhandler(RequestEntityTooLarge)
def refuse_large_upload(error: RequestEntityTooLarge) -> ResponseReturnValue:
    """Nothing has been read, so the page is shown as it was before."""
    if request.endpoint not in _allowed:
        return show_http_error(error)
    if current_login() is None:
        return move_to(url_for("auth.login", next=forms.path_of_form()))
    problem = problem_sentence(_allowed[request.endpoint][1], language())
    return forms.show_before_view(413, problem, typed={})
