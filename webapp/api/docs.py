"""The readable page of the API, made of the OpenAPI document."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import render_template

from webapp.api.blueprint import bp
from webapp.api.openapi import described
from webapp.web.error_responses import KINDS

WHO = {0: "Anybody may call it.", 2: "For organizers.", 3: "Organizers may log in."}


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table."""

    name: str
    kind: str
    needed: bool


@dataclass(frozen=True, slots=True)
class Object:
    name: str
    detail: str
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer by its status: the object that it is, or in words."""

    status: str
    text: str
    name: str


@dataclass(frozen=True, slots=True, order=True)
class Code:
    """A code of an error."""

    status: int
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    id: str
    summary: str
    detail: str
    who: str
    body: str = ""
    parameters: list[Field] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


@bp.get("/docs")
def docs() -> str:
    document = described()
    return render_template(
        "api/docs.html",
        document=document,
        calls=list(calls(document)),
        objects=list(objects(document)),
        codes=codes(),
    )


def calls(document: Mapping[str, Any]) -> Iterator[Call]:
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            yield Call(
                method=method.upper(),
                path=path,
                id=call["operationId"],
                summary=call["summary"],
                detail=call.get("description", ""),
                who=WHO[len(call["security"])],
                body=object_of(call["requestBody"]) if "requestBody" in call else "",
                parameters=[
                    Field(p["name"], kind_of(p["schema"]), p.get("required", False))
                    for p in call["parameters"]
                ],
                answers=[
                    Answer(status, answer["description"], object_of(answer))
                    for status, answer in call["responses"].items()
                ],
            )


def objects(document: Mapping[str, Any]) -> Iterator[Object]:
    for name, schema in document["components"]["schemas"].items():
        needed = schema.get("required", ())
        fields = [
            Field(field_name, kind_of(part), field_name in needed)
            for field_name, part in schema["properties"].items()
        ]
        yield Object(name, schema.get("description", ""), fields)


def object_of(answer: Mapping[str, Any]) -> str:
    """The name of the object that is sent or answered."""
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


def codes() -> list[Code]:
    """Each code that an error can have; an error's `type` leads to its row on the page."""
    return sorted(Code(kind.status, code, kind.title) for code, kind in KINDS.items())
