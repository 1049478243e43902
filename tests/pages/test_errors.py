"""Error pages: each says in words what is wrong and what to do next."""

from http import HTTPStatus
from typing import NoReturn

import pytest
from flask import Flask
from werkzeug.exceptions import default_exceptions
from werkzeug.test import TestResponse

from tests.pages.conftest import Person, text_of
from webapp.errors import Unavailable


@pytest.fixture
def app(own_app: Flask) -> Flask:
    return own_app


def error_page(app: Flask, status: int, *, method: str = "GET", path: str = "/x") -> TestResponse:
    def fail() -> NoReturn:
        raise Unavailable if status == 503 else default_exceptions[status]

    app.add_url_rule(path, view_func=fail, methods=["GET", "PUT"])
    return app.test_client().open(path, method=method)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 429, 500, 503])
def test_error_page_says_what_to_do(app: Flask, status: int) -> None:
    page = error_page(app, status)
    assert page.status_code == status
    words = text_of(page)
    assert HTTPStatus(status).phrase not in words, "a phrase for programs"
    assert "See all events" in words
    assert ("Try again</a>" in page.text) == (status in (429, 500, 503))


def test_what_was_sent_is_not_tried_again_by_a_link(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    page = error_page(app, 500, method="PUT")
    assert page.status_code == 500
    assert "Try again</a>" not in page.text


def test_lost_booking_leads_to_the_search_for_it(person: Person) -> None:
    page = person.get("/bookings/cut-off")
    assert page.status_code == 404
    assert "Find your bookings" in text_of(page)


def test_htmx_gets_the_error_without_the_page_around_it(person: Person) -> None:
    whole = person.get("/bookings/cut-off")
    part = person.get("/bookings/cut-off", fragment=True)
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert "Find your bookings" in text_of(part)


def test_programs_get_the_phrase_of_http(app: Flask) -> None:
    answer = error_page(app, 404, path="/api/x").get_json()
    assert answer["title"] == "Not Found"
