"""The OpenAPI document: made of the schemas, the shapes of the answers and the table of calls."""

import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from flask import Response, current_app
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from webapp.api.blueprint import bp
from webapp.api.operations import OPERATIONS, Operation
from webapp.api.wire import answer_if_changed
from webapp.config import current_settings
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
    "description": "The same key and content have one effect and one answer, for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "anybody": [],
    "organizer": [{"password": []}, {"token": []}],
    "either": [{}, {"password": []}, {"token": []}],
}
RATE_HEADERS = {
    "X-RateLimit-Limit": "Requests in a window.",
    "X-RateLimit-Remaining": "Requests left in this window.",
    "X-RateLimit-Reset": "When the next window begins, in seconds since 1970.",
}


@bp.get("/openapi.json")
def document() -> Response:
    return answer_if_changed(described())


def described() -> dict[str, Any]:
    """The whole document for the running application."""
    settings = current_settings()
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(current_app.url_map.iter_rules(), key=lambda rule: rule.rule):
        operation = OPERATIONS.get(rule.endpoint)
        if operation is not None:
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            described = _operation(rule.endpoint, operation, _path_parameters(rule))
            paths.setdefault(_path(rule), {}).update({m.lower(): described for m in methods})
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
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


@cache
def schemas() -> dict[str, Any]:
    """Every schema by name: input as it is accepted, answers as they are given."""
    inputs = {o.body for o in OPERATIONS.values() if o.body is not None}
    ordered = sorted(inputs, key=lambda model: model.__name__)
    _, found = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=SCHEMA_NAME
    )
    described: dict[str, Any] = dict(found["$defs"])
    answers = [
        (name, "serialization", TypeAdapter(shape)) for name, shape in _answer_shapes().items()
    ]
    _, found = TypeAdapter.json_schemas(answers, ref_template=SCHEMA_NAME)  # type: ignore[arg-type]
    described.update(found.get("$defs", {}))
    for operation in OPERATIONS.values():
        if operation.partial and operation.body is not None:
            described[_body_name(operation)] = _partial(described[operation.body.__name__])
    described["Problem"] = PROBLEM
    return {name: _named_by_us(schema) for name, schema in sorted(described.items())}


def _answer_shapes() -> dict[str, Any]:
    return {
        o.shape.__name__: o.shape
        for o in OPERATIONS.values()
        if hasattr(o.shape, "__required_keys__")
    }


def _body_name(operation: Operation) -> str:
    assert operation.body is not None
    return f"{operation.body.__name__}Change" if operation.partial else operation.body.__name__


def _partial(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in schema["properties"].items()
        if name != "status"
    }
    kept = {key: value for key, value in schema.items() if key != "required"}
    return {**kept, "properties": properties}


def _named_by_us(schema: Any) -> Any:
    """The schema without the titles that pydantic makes up from each name."""
    if isinstance(schema, list):
        return [_named_by_us(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _named_by_us(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _path(rule: Rule) -> str:
    """A route as OpenAPI writes it."""
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)


def _operation(
    endpoint: str, operation: Operation, parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    if operation.query is not None:
        parameters = parameters + _query_parameters(operation.query)
    if operation.once:
        parameters = [*parameters, IDEMPOTENCY_KEY]
    described: dict[str, Any] = {
        "operationId": endpoint.partition(".")[2],
        "summary": operation.summary,
        "security": SECURITY[operation.who],
        "parameters": parameters,
        "responses": _responses(operation),
    }
    if operation.detail:
        described["description"] = operation.detail
    if operation.body is not None:
        schema = {"$ref": SCHEMA_NAME.format(model=_body_name(operation))}
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    shape = operation.shape
    named = hasattr(shape, "__required_keys__")
    schema = {"$ref": SCHEMA_NAME.format(model=shape.__name__)} if named else {"type": "object"}
    headers = {
        name: {"description": text, "schema": {"type": "integer"}}
        for name, text in RATE_HEADERS.items()
    }
    responses: dict[str, Any] = {
        str(operation.status): {
            "description": (getattr(shape, "__doc__", "") or "").strip() if named else "OK",
            "headers": headers,
            "content": {"application/json": {"schema": schema}},
        }
    }
    if operation.cached:
        responses["304"] = {"description": "It is what the ETag in If-None-Match stands for."}
    errors = {*operation.errors, *EVERYWHERE}
    if operation.body is not None:
        errors.update(WITH_BODY)
    if operation.who != "anybody":
        errors.add(401)
    problem = {"schema": {"$ref": SCHEMA_NAME.format(model="Problem")}}
    for status in sorted(errors):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": problem},
        }
    return responses


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    kinds = {"event_id": {"type": "integer", "minimum": 1}, "reference": {"type": "string"}}
    return [
        {"name": name, "in": "path", "required": True, "schema": kinds[name]}
        for name in sorted(rule.arguments)
    ]


def _query_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    properties = query.model_json_schema()["properties"]
    return [
        {"name": name, "in": "query", "schema": _named_by_us(schema)}
        for name, schema in properties.items()
    ]
