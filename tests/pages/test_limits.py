"""Limits of the forms: who counts as one client there is one client everywhere."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from flask import Flask

from tests.pages.conftest import Person, forms_of

MakeEvent = Callable[..., int]
FORMS = {"/bookings": 10, "/events/{}-harvest-supper": 120}
ONE_NETWORK = [f"2001:db8::{number:x}" for number in range(1, 123)]
MANY_NETWORKS = [f"2001:db8:0:{number:x}::1" for number in range(1, 32)]


def statuses(person: Person, path: str, addresses: Sequence[str]) -> list[int]:
    """What is answered to a form that is sent from each address in turn."""
    data = forms_of(person.get(path))[path]
    return [
        person.client.post(path, data=data, environ_overrides={"REMOTE_ADDR": address}).status_code
        for address in addresses
    ]


@pytest.mark.parametrize("path", FORMS)
def test_network_of_a_customer_is_one_client_of_a_form(
    person: Person, make_event: MakeEvent, path: str
) -> None:
    limit, path = FORMS[path], path.format(make_event())
    found = statuses(person, path, ONE_NETWORK)
    assert [status == 429 for status in found] == [number >= limit for number in range(len(found))]


def test_each_network_is_a_client_of_its_own(person: Person, make_event: MakeEvent) -> None:
    path = f"/events/{make_event()}-harvest-supper"
    assert 429 not in statuses(person, path, MANY_NETWORKS)


@pytest.mark.usefixtures("owner_id")
def test_network_of_a_customer_is_one_client_of_a_login(person: Person) -> None:
    fields = {"username": "owner", "password": "wrong"}
    data = {**forms_of(person.get("/login"))["/login"], **fields}
    answers = [
        person.client.post("/login", data=data, environ_overrides={"REMOTE_ADDR": address})
        for address in (*ONE_NETWORK[:11], MANY_NETWORKS[1])
    ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429, 401]


def test_log_in_tells_the_client_that_was_counted(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    log = tmp_path / "pages.log"
    person = Person(make_app(LOG_FILE=str(log)))
    data = {**forms_of(person.get("/login"))["/login"], "username": "eve", "password": "guess"}
    person.client.post("/login", data=data, environ_overrides={"REMOTE_ADDR": "2001:db8::1"})
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["client"] for line in lines if line["what"] == "login refused"] == [
        "2001:db8::/64"
    ]
