"""The API as a black box: each answer is held against the document that the API serves."""

import base64
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from webapp.accounts import services as accounts
from webapp.accounts.tokens import create_token

PASSWORD = "correct horse"


def basic(username: str, password: str = PASSWORD) -> dict[str, str]:
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {login}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Api:
    """Calls the API, checking each answer against the OpenAPI document."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()

    @cached_property
    def document(self) -> dict[str, Any]:
        return dict(self.app.test_client().get("/api/openapi.json").get_json())

    def call(self, method: str, path: str, **request: Any) -> TestResponse:
        response = self.client.open(f"/api{path}", method=method, **request)
        self.check(method, response)
        return response

    def get(self, path: str, **request: Any) -> TestResponse:
        return self.call("GET", path, **request)

    def post(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        if json is not None:
            request["json"] = json
        return self.call("POST", path, **request)

    def patch(self, path: str, json: Any, **request: Any) -> TestResponse:
        return self.call("PATCH", path, json=json, **request)

    def check(self, method: str, response: TestResponse) -> None:
        """The answer is one that the document promises."""
        assert response.headers["X-Request-ID"]
        if response.status_code == 304:
            return
        if response.status_code >= 400:
            schema: dict[str, Any] = {"$ref": "#/components/schemas/Problem"}
            assert response.mimetype == "application/problem+json"
            assert response.get_json()["status"] == response.status_code
        else:
            answers = self.described(method, response.request.path)["responses"]
            assert response.mimetype == "application/json"
            content = answers[str(response.status_code)]["content"]
            schema = content["application/json"]["schema"]
        whole = {**schema, "components": self.document["components"]}
        Draft202012Validator(whole).validate(response.get_json())

    def described(self, method: str, path: str) -> dict[str, Any]:
        def fits(template: str) -> bool:
            return bool(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path))

        # As in the router, a path that is spelled out goes before one with a parameter.
        templates = sorted(filter(fits, self.document["paths"]), key=lambda t: t.count("{"))
        found = [self.document["paths"][t] for t in templates]
        return dict(next(p[method.lower()] for p in found if method.lower() in p))

    def organizer(self, username: str = "ada") -> dict[str, str]:
        """Headers of a new organizer."""
        with self.app.app_context():
            accounts.create_organizer(username=username, password=PASSWORD)
            return bearer(create_token(accounts.id_of(username), name="tests"))

    def event(self, organizer: dict[str, str], **fields: Any) -> int:
        """The id of a new event."""
        body = {"eventName": "Conference", "totalTickets": 100, **fields}
        response = self.post("/events/initialize", body, headers=organizer)
        assert response.status_code == 201, response.get_json()
        return int(response.get_json()["id"])

    def book(self, event_id: int, user_id: int | str, **more: Any) -> dict[str, Any]:
        """What is answered to a booking that is accepted."""
        response = self.post("/events/book", {"userId": user_id, "eventId": event_id, **more})
        assert response.status_code == 201, response.get_json()
        return dict(response.get_json())

    def status(self, event_id: int) -> dict[str, Any]:
        return dict(self.get(f"/events/status/{event_id}").get_json())


@pytest.fixture
def api(app: Flask) -> Api:
    return Api(app)


@pytest.fixture
def make_api(make_app: Callable[..., Flask]) -> Callable[..., Api]:
    """The API with other settings: `make_api(RATELIMIT_DEFAULT="3 per minute")`."""

    def make(**environ: str) -> Api:
        return Api(make_app(**environ))

    return make


@pytest.fixture
def organizer(api: Api) -> dict[str, str]:
    """Headers of an organizer."""
    return api.organizer()
