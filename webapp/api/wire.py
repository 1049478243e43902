"""JSON as it travels: read without trusting anything, written without more work than needed."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, current_app, g, request
from pydantic import BaseModel
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from webapp.errors import InvalidInput
from webapp.limits import client
from webapp.services import idempotency
from webapp.services.idempotency import Once

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
NOT_KEPT = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
key_shape = re.compile(r"[ -~]{1,255}").fullmatch


class _NotJson(ValueError):
    """What Python would read although JSON has no such thing; the message says what it is."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotJson("Send each field once.")
    return members


def _constant(name: str) -> float:
    raise _NotJson(f"{name} is not JSON.")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


def read_json() -> Any:
    """The JSON that the request carries.

    Raises `InvalidInput` (body), `UnsupportedMediaType`, `RequestEntityTooLarge`.
    """
    body = request.get_data(cache=False)
    # A body sent in chunks says no length; what is beyond the limit has been left unread.
    if "CONTENT_LENGTH" not in request.environ and len(body) == request.max_content_length:
        raise RequestEntityTooLarge
    if not body:
        raise InvalidInput({"body": "Send a JSON object."})
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        return _decode(body.decode())
    except _NotJson as error:
        raise InvalidInput({"body": str(error)}) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput({"body": "This is not JSON that we can read."}) from error


def answer(data: Mapping[str, Any], status: int = 200, *, location: str | None = None) -> Response:
    """A JSON answer that nobody keeps."""
    response = Response(encode(data).encode(), status, NOT_KEPT)
    if location is not None:
        response.headers["Location"] = location
    return response


def answer_if_changed(data: Mapping[str, Any]) -> Response:
    """A JSON answer that may be kept and asked for again by its ETag; 304 while it is the same."""
    body = encode(data).encode()
    tag = hashlib.blake2b(body, digest_size=9).hexdigest()
    if "HTTP_IF_NONE_MATCH" in request.environ and request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    else:
        response = Response(body, content_type="application/json")
    response.headers.extend({"ETag": f'"{tag}"', "Cache-Control": "no-cache"})
    return response


def one_time(operation: str, asked: BaseModel, **more: object) -> Once | None:
    """The request's Idempotency-Key, bound to what is asked; none where it has none.

    Raises `InvalidInput` (Idempotency-Key).
    """
    key = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not key_shape(key):
        raise InvalidInput({"Idempotency-Key": "Use 1 to 255 printable ASCII characters."})
    return idempotency.once(operation, caller=_caller(), key=key, **asked.model_dump(), **more)


def _caller() -> str:
    """Whose keys these are. An address is not kept as it is."""
    if g.caller is not None:
        return f"organizer:{g.caller.id}"
    secret = current_app.secret_key
    assert isinstance(secret, str)
    digest = hmac.digest(secret.encode(), client().encode(), "sha256")
    return f"client:{digest.hex()[:32]}"


def page(name: str, rows: Sequence[Mapping[str, Any]], *, next_cursor: str | None) -> Response:
    """One page of a list; `nextCursor` is null on the last."""
    return answer({name: rows, "nextCursor": next_cursor})
