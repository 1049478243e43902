"""The address of an account, and a new password by it."""

from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask

from tests.support.fixtures import Clock
from tests.support.tools import rows, set_own_address, together
from webapp.accounts.addresses import (
    Purpose,
    ask_address,
    ask_for_new_password,
    make_token,
    owner_of,
    read_token,
    remove_address,
    reset_password,
    set_address,
)
from webapp.accounts.logins import begin_login
from webapp.accounts.services import check_login, create_organizer, set_password
from webapp.errors import InvalidInput, LinkExpired

OLD, NEW = "old@example.org", "new@example.org"
PASSWORD = "correct horse"

pytestmark = pytest.mark.usefixtures("in_app")


@pytest.fixture
def olga(in_app: Flask) -> int:
    return create_organizer(username="olga", password=PASSWORD)


def mails() -> list[tuple[str, str]]:
    return [
        (row.what, row.recipient)
        for row in rows("SELECT what, recipient FROM delivery ORDER BY id")
    ]


def test_new_address_counts_once_its_token_is_used_and_the_old_one_is_told(olga: int) -> None:
    set_own_address(olga, OLD)
    ask_address(olga, address=NEW)
    assert owner_of(olga).email == OLD
    token = make_token(Purpose.ADDRESS, owner_of(olga), NEW)
    assert set_address(token) == NEW
    assert (owner_of(olga).email, owner_of(olga).email_is_proven) == (NEW, True)
    assert mails() == [("account_address", NEW), ("account_address_changed", OLD)]
    with pytest.raises(LinkExpired):
        set_address(token)
    remove_address(olga)
    assert owner_of(olga)[3:5] == (None, False)
    assert mails()[2:] == [("account_address_changed", NEW)]


def test_tokens_die_with_time_with_the_password_and_with_the_address(olga: int, now: Clock) -> None:
    set_own_address(olga, OLD)

    def both() -> list[tuple[Purpose, str]]:
        return [(purpose, make_token(purpose, owner_of(olga), OLD)) for purpose in Purpose]

    def dead(purpose: Purpose, token: str) -> bool:
        try:
            read_token(purpose, token)
        except LinkExpired:
            return True
        return False

    made = both()
    assert not any(dead(*one) for one in made)
    # One for the other, or changed.
    (address, one), (reset, other) = made
    assert dead(address, other)
    assert dead(reset, one)
    assert dead(reset, other[:-2] + "xx")
    now.go(minutes=61)
    assert [dead(*one) for one in made] == [False, True]
    now.go(hours=24)
    assert all(dead(*one) for one in made)
    made = both()
    set_password(olga, password="another password")
    assert all(dead(*one) for one in made)
    made = both()
    set_own_address(olga, NEW)
    assert all(dead(*one) for one in made)


def test_password_is_set_once_by_a_token_and_a_refused_one_uses_nothing_up(olga: int) -> None:
    set_own_address(olga, OLD)
    token = make_token(Purpose.RESET, owner_of(olga), OLD)
    with pytest.raises(InvalidInput) as refused:
        reset_password(token, password="short", revoke_tokens=False)
    assert set(refused.value.problems) == {"new_password"}
    assert reset_password(token, password="another password", revoke_tokens=False) == "olga"
    assert check_login(username="olga", password="another password") is not None
    with pytest.raises(LinkExpired):
        reset_password(token, password="a third password", revoke_tokens=False)
    assert mails() == [("password_changed", OLD)]


def test_only_one_mail_is_under_way_for_an_address_and_network(olga: int) -> None:
    for address in (OLD, OLD, NEW):
        ask_for_new_password(address, network="n")
    assert mails() == [("lost_password", OLD), ("lost_password", NEW)]


@pytest.mark.race
def test_of_two_resets_at_once_one_wins(in_app: Flask, olga: int) -> None:
    set_own_address(olga, OLD)
    token = make_token(Purpose.RESET, owner_of(olga), OLD)
    words = [f"password number {number}" for number in range(4)]
    answers = together(
        in_app,
        [partial(reset_password, token, password=word, revoke_tokens=False) for word in words],
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["LinkExpired"] * 3 + ["str"]
    [won] = [word for word, answer in zip(words, answers, strict=True) if answer == "olga"]
    assert check_login(username="olga", password=won) is not None


@pytest.mark.race
def test_no_sign_in_with_the_old_password_outlives_a_reset(in_app: Flask, olga: int) -> None:
    set_own_address(olga, OLD)
    token = make_token(Purpose.RESET, owner_of(olga), OLD)
    account = check_login(username="olga", password=PASSWORD)
    assert account is not None
    begin = partial(begin_login, account, device="")
    reset = partial(reset_password, token, password="another password", revoke_tokens=False)
    calls: list[Callable[[], object]] = [begin, reset, begin, begin]
    together(in_app, calls)
    assert rows("SELECT * FROM login") == []
