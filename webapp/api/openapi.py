"""The OpenAPI document: made of the routes and of what stands at each view."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from flask import Response, current_app
from pydantic import BaseModel, TypeAdapter
from werkzeug.routing import Rule

from webapp.accounts.services import Level
from webapp.api.blueprint import bp
from webapp.config import current_settings
from webapp.extensions import PerApp
from webapp.web.compression import Content
from webapp.web.json_bodies import encode
from webapp.web.schemas import MOST_ERRORS

API_VERSION = "1"
EVERYWHERE = (429, 500, 503)
WITH_BODY = (400, 413, 415)
SCHEMA_NAME = "#/components/schemas/{model}"

PROBLEM = {
    "type": "object",
    "description": "An error, as RFC 9457 has it. `code` is stable; `detail` is for people.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "What is wrong, field by field.",
            "maxProperties": MOST_ERRORS,
            "additionalProperties": {"type": "string"},
        },
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "The same key and content have one effect and one answer, for a day. Callers without"
        " credentials share theirs with all of their network: make them long and random, since"
        " whoever sends the same key and content is answered with the same booking."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "anybody": [],
    "organizer": [{"password": []}, {"token": []}],
    "either": [{}, {"password": []}, {"token": []}],
    "door": [{"password": []}, {"token": []}, {"doorPass": []}],
}
LEVELS = (
    "An API token has a level: read, book or manage, each all of the one before. Each call names"
    " the level that it needs; a token with less is answered 403 insufficient_access."
)
DOOR_PASSES = (
    "The token of a door pass, which an organizer makes for a device at the door of one event."
)
PATH_PARAMETERS = {
    "event_id": {"type": "integer", "minimum": 1},
    "number": {"type": "integer", "minimum": 1},
    "reference": {"type": "string"},
}
RATE_HEADERS = {
    name: {"description": text, "schema": {"type": "integer"}}
    for name, text in (
        ("X-RateLimit-Limit", "Requests in a window."),
        ("X-RateLimit-Remaining", "Requests left in this window."),
        ("X-RateLimit-Reset", "When the next window begins, in seconds since 1970."),
    )
}

View = TypeVar("View", bound=Callable[..., Response])
CALLS: "dict[Callable[..., Any], documented]" = {}


@dataclass(frozen=True, kw_only=True)
class documented:
    """Decorates a view with what its call takes and answers; the view itself stays as it is.

    The first sentence of the view's docstring is the call's summary, the rest its description.
    """

    # "either": the organizer is answered differently.
    # "door": the organizer, or a door pass of the event.
    who: Literal["anybody", "organizer", "either", "door"] = "anybody"
    # What a token has to have where one is presented.
    level: Level = Level.READ
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    # Every field of the body may be left out.
    partial: bool = False
    # The body may be left out.
    may_be_empty: bool = False
    # A TypedDict; None is any object.
    answer: Any = None
    status: int = 200
    # What is answered with other statuses of success: `{status: TypedDict}`.
    other_answers: Mapping[int, Any] = field(default_factory=dict)
    # Beside those that follow from the rest.
    errors: tuple[int, ...] = ()
    # It takes an Idempotency-Key.
    idempotent: bool = False
    # It has an ETag.
    cached: bool = False

    def __call__(self, view: View) -> View:
        CALLS[view] = self
        return view


@bp.get("/openapi.json")
@documented(cached=True)
def document() -> Response:
    """This document."""
    return _document.own.answer("no-cache")


# It takes longer to make than anything else that is asked for, and stays the same.
_document = PerApp(lambda: Content(encode(described()).encode(), "application/json"))


def described() -> dict[str, Any]:
    """The whole document for the running application."""
    settings = current_settings()
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(current_app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = current_app.view_functions[rule.endpoint]
        if view in CALLS:
            path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
            [method] = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            paths.setdefault(path, {})[method.lower()] = _operation(rule, view, CALLS[view])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{settings.site_name} API",
            "version": API_VERSION,
            "description": "Book tickets, with a fair waiting list. Errors are problem+json.",
        },
        "servers": [{"url": settings.base_url}],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer", "description": LEVELS},
                "doorPass": {"type": "http", "scheme": "bearer", "description": DOOR_PASSES},
            },
        },
    }


@cache
def schemas() -> dict[str, Any]:
    """Every schema by name: input as it is accepted, answers as they are given."""
    calls = CALLS.values()
    models = [(call.body, "validation") for call in calls if call.body]
    models += [(call.answer, "serialization") for call in calls if call.answer]
    models += [(each, "serialization") for call in calls for each in call.other_answers.values()]
    adapters = [(model.__name__, mode, TypeAdapter(model)) for model, mode in models]
    _, found = TypeAdapter.json_schemas(adapters, ref_template=SCHEMA_NAME)  # type: ignore[arg-type]
    named: dict[str, Any] = {**found["$defs"], "Problem": PROBLEM}
    for call in calls:
        if call.body and call.partial:
            named[_name_of_body(call)] = _partial(named[call.body.__name__])
    return {name: _without_titles(schema) for name, schema in sorted(named.items())}


def _name_of_body(call: documented) -> str:
    assert call.body is not None
    return f"{call.body.__name__}Change" if call.partial else call.body.__name__


def _partial(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in schema["properties"].items()
        if name != "status"
    }
    kept = {key: value for key, value in schema.items() if key != "required"}
    return {**kept, "properties": properties}


def _without_titles(schema: Any) -> Any:
    """The schema without the titles that pydantic makes up from each name."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _operation(rule: Rule, view: Callable[..., Any], call: documented) -> dict[str, Any]:
    summary, _, detail = " ".join((view.__doc__ or "").split()).partition(". ")
    described = {
        "operationId": view.__name__,
        "summary": summary.removesuffix("."),
        "security": _security(call),
        "parameters": _parameters(rule, call),
        "responses": _responses(call),
    }
    if detail:
        described["description"] = detail
    if call.body:
        content = _content(_name_of_body(call))
        described["requestBody"] = {"required": not call.may_be_empty, "content": content}
    return described


def _security(call: documented) -> list[dict[str, list[str]]]:
    """Who may call, as a list of ways; a token with the level that it needs."""
    return [
        {name: [call.level.value] if name == "token" else [] for name in way}
        for way in SECURITY[call.who]
    ]


def _parameters(rule: Rule, call: documented) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": PATH_PARAMETERS[name]}
        for name in sorted(rule.arguments)
    ]
    if call.query:
        properties = _without_titles(call.query.model_json_schema()["properties"])
        parameters += [{"name": n, "in": "query", "schema": s} for n, s in properties.items()]
    return [*parameters, IDEMPOTENCY_KEY] if call.idempotent else parameters


def _responses(call: documented) -> dict[str, Any]:
    responses: dict[str, Any] = {
        str(status): {
            "description": (answer.__doc__ or "").strip() if answer else "OK",
            "headers": RATE_HEADERS,
            "content": _content(answer.__name__ if answer else None),
        }
        for status, answer in {call.status: call.answer, **call.other_answers}.items()
    }
    if call.cached:
        responses["304"] = {"description": "It is what the ETag in If-None-Match stands for."}
    errors = {*call.errors, *EVERYWHERE, *(WITH_BODY if call.body else ())}
    if call.who != "anybody":
        errors |= {401, 403}
    for status in sorted(errors):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": _content("Problem", "application/problem+json"),
        }
    return responses


def _content(name: str | None, media_type: str = "application/json") -> dict[str, Any]:
    """A body that is the object of this name, or any object."""
    schema = {"$ref": SCHEMA_NAME.format(model=name)} if name else {"type": "object"}
    return {media_type: {"schema": schema}}
