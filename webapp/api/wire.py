"""What calls of the API have in common: queries, one-time keys, pages of lists."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, g, request
from pydantic import BaseModel

from webapp.errors import InvalidInput, Problem
from webapp.storage import idempotency
from webapp.storage.idempotency import IdempotencyKey
from webapp.web.json_bodies import answer
from webapp.web.rate_limits import network
from webapp.web.schemas import Model, from_form

key_shape = re.compile(r"[ -~]{1,255}").fullmatch


def read_query(model: type[Model]) -> Model:
    """The query of the request's address. Raises `InvalidInput`, also for a field sent twice."""
    twice = [name for name in model.model_fields if len(request.args.getlist(name)) > 1]
    if twice:
        raise InvalidInput(dict.fromkeys(twice, Problem("field_twice")))
    return from_form(model, request.args)


def idempotency_key(operation: str, asked: BaseModel, **more: object) -> IdempotencyKey | None:
    """The request's Idempotency-Key, bound to what is asked; none where it has none.

    Raises `InvalidInput` (Idempotency-Key).
    """
    key = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not key_shape(key):
        raise InvalidInput({"Idempotency-Key": Problem("idempotency_key", limit=255)})
    return idempotency.bind_key(operation, caller=_caller(), key=key, **asked.model_dump(), **more)


def _caller() -> str:
    """Whose keys these are. An address is not kept as it is."""
    if g.caller is not None:
        return f"organizer:{g.caller.id}"
    return f"client:{network()}"


def page(name: str, rows: Sequence[Mapping[str, Any]], *, next_cursor: str | None) -> Response:
    """One page of a list; `nextCursor` is null on the last."""
    return answer({name: rows, "nextCursor": next_cursor})
