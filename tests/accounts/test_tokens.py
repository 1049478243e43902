"""API tokens: level and end, the note of their use, and revoking beside a use."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask

from tests.support.fixtures import Clock
from tests.support.tools import rows, together
from webapp.accounts.services import Level, create_organizer
from webapp.accounts.tokens import (
    MOST_TOKENS,
    NOTED_EVERY,
    check_token,
    create_token,
    revoke_token,
    tokens_of,
)
from webapp.errors import InvalidInput, TokenNotFound

pytestmark = pytest.mark.usefixtures("in_app")


@pytest.fixture
def olga(in_app: Flask) -> int:
    return create_organizer(username="olga", password="correct horse")


def test_token_is_good_until_its_end(olga: int, now: Clock) -> None:
    token = create_token(olga, name="till", level=Level.BOOK, days=2)
    found = check_token(token)
    assert found is not None
    assert (found.id, found.level) == (olga, Level.BOOK)
    now.go(days=2, seconds=-2)
    assert check_token(token) is not None
    assert not tokens_of(olga)[0].is_expired
    now.go(seconds=2)
    assert check_token(token) is None
    assert tokens_of(olga)[0].is_expired


def test_use_is_noted_at_most_once_an_hour(olga: int, now: Clock) -> None:
    token = create_token(olga, name="till")
    noted = []
    for _ in range(4):
        check_token(token)
        noted.append(tokens_of(olga)[0].last_used_at)
        now.go(seconds=NOTED_EVERY.total_seconds() / 2)
    first, second, third, fourth = noted
    assert first is not None
    assert third is not None
    assert first == second
    assert third == fourth
    assert third - first >= NOTED_EVERY - timedelta(seconds=1)


def test_wrong_input_is_told_by_field_and_their_number_is_bounded(olga: int) -> None:
    wrong: list[tuple[dict[str, Any], str]]
    wrong = [({"name": " "}, "name"), ({"name": "x", "days": 0}, "days")]
    for values, field in wrong:
        with pytest.raises(InvalidInput) as refused:
            create_token(olga, **values)
        assert set(refused.value.problems) == {field}
    for _ in range(MOST_TOKENS):
        create_token(olga, name="till")
    with pytest.raises(InvalidInput):
        create_token(olga, name="one too many")
    assert len(tokens_of(olga)) == MOST_TOKENS


@pytest.mark.race
def test_token_is_revoked_once_and_works_never_after_it(in_app: Flask, olga: int) -> None:
    token = create_token(olga, name="till")
    revoke = partial(revoke_token, tokens_of(olga)[0].id, organizer_id=olga)
    calls: list[Callable[[], object]] = [partial(check_token, token), revoke, revoke]
    answers = together(in_app, calls)
    assert sum(isinstance(answer, TokenNotFound) for answer in answers) == 1
    assert not isinstance(answers[0], Exception)
    assert check_token(token) is None
    assert rows("SELECT * FROM api_token") == []
