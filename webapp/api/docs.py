"""The readable page of the API, made of the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from flask import Response, make_response, render_template

from webapp.api.blueprint import bp
from webapp.api.openapi import CALLS, described, documented
from webapp.web.compression import pack
from webapp.web.error_responses import KINDS

WHO = {
    "anybody": "Anybody may call it.",
    "organizer": "For organizers.",
    "either": "Organizers may log in.",
    "door": "For organizers, and for door passes of the event.",
}


@bp.get("/docs")
def docs() -> Response:
    page = render_template(
        "api/docs.html",
        document=described(),
        who={view.__name__: _who(call) for view, call in CALLS.items()},
        # An error's `type` leads to its row on the page.
        codes=sorted(KINDS.items(), key=lambda item: (item[1].status, item[0])),
        object_of=object_of,
        kind_of=kind_of,
    )
    return pack(make_response(page))


def _who(call: documented) -> str:
    """Who may call, and with which level a token."""
    needs = "" if call.who == "anybody" else f" A token needs the level {call.level}."
    return WHO[call.who] + needs


def object_of(answer: Mapping[str, Any]) -> str:
    """The name of the object that is sent or answered; empty where it has none."""
    for content in answer.get("content", {}).values():
        return str(content["schema"].get("$ref", "")).rpartition("/")[2]
    return ""


def kind_of(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(kind_of(part) for part in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(str(value) or "nothing" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind_of(schema['items'])}"
    words = str(schema.get("format") or schema.get("type", "anything"))
    if "minimum" in schema:
        words += f" from {schema['minimum']}"
    if "maximum" in schema:
        words += f" to {schema['maximum']}"
    if "maxLength" in schema:
        words += f", at most {schema['maxLength']} characters"
    return words
