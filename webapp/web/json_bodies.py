"""JSON as it travels: read without trusting anything, written without more work than needed."""

import json
from collections.abc import Mapping
from typing import Any

from flask import Response
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from webapp.errors import InvalidInput, Problem
from webapp.web.etag import answer_unless_known
from webapp.web.fast_flask import request_context

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
NOT_KEPT = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidInput({"body": Problem("field_twice")})
    return members


def _constant(name: str) -> float:
    raise InvalidInput({"body": Problem("not_json_constant", name=name)})


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


def read_json(*, or_nothing: bool = False) -> Any:
    """The JSON that the request carries; an empty object where it may carry nothing.

    Raises `InvalidInput` (body), `UnsupportedMediaType`, `RequestEntityTooLarge`.
    """
    asked = request_context().request
    body = asked.get_data(cache=False)
    # A body sent in chunks says no length; what is beyond the limit has been left unread.
    if "CONTENT_LENGTH" not in asked.environ and len(body) == asked.max_content_length:
        raise RequestEntityTooLarge
    if not body and or_nothing:
        return {}
    if not body:
        raise InvalidInput({"body": Problem("object")})
    if asked.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        return _decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidInput({"body": Problem("not_json")}) from error


def answer(data: Mapping[str, Any], status: int = 200, *, location: str | None = None) -> Response:
    """A JSON answer that nobody keeps."""
    response = Response(encode(data).encode(), status, NOT_KEPT)
    if location is not None:
        response.headers["Location"] = location
    return response


def answer_if_changed(data: Mapping[str, Any]) -> Response:
    """A JSON answer that may be kept and asked for again by its ETag; 304 while it is the same."""
    return answer_unless_known(
        encode(data), content_type="application/json", cache_control="no-cache"
    )
