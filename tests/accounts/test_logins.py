"""Sign-ins as rows: begun only with the password of now, and never too many of them."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask

from tests.support.fixtures import Clock
from tests.support.tools import rows, together
from webapp.accounts import logins
from webapp.accounts.logins import MOST_LOGINS, begin_login, end_login, find_login
from webapp.accounts.services import Account, check_login, create_organizer, id_of, set_password

PASSWORD = "correct horse"

pytestmark = pytest.mark.usefixtures("in_app")


@pytest.fixture
def olga(in_app: Flask) -> Account:
    create_organizer(username="olga", password=PASSWORD)
    account = check_login(username="olga", password=PASSWORD)
    assert account is not None
    return account


def test_login_is_found_by_its_code_until_it_is_ended(olga: Account) -> None:
    codes = [begin_login(olga, device="Firefox, Linux") for _ in range(2)]
    assert None not in codes
    assert len(set(codes)) == 2
    for code in codes:
        login = find_login(code or "")
        assert login is not None
        assert login.organizer_id == olga.id
    end_login(codes[0] or "")
    end_login(codes[0] or "")
    assert [find_login(code or "") is not None for code in codes] == [False, True]


def test_password_that_is_changed_meanwhile_opens_nothing(olga: Account) -> None:
    """It was right when it was looked at, and the new one has ended all sign-ins since."""
    set_password(id_of("olga"), password="another password")
    assert begin_login(olga, device="") is None
    assert rows("SELECT * FROM login") == []


@pytest.mark.race
def test_no_sign_in_outlives_a_new_password_that_comes_at_the_same_time(
    in_app: Flask, olga: Account
) -> None:
    change = partial(set_password, olga.id, password="another password")
    begin = partial(begin_login, olga, device="")
    calls: list[Callable[[], object]] = [begin, begin, change, begin, begin]
    together(in_app, calls)
    assert rows("SELECT * FROM login") == []


def test_sign_ins_that_are_over_and_too_many_of_them_are_forgotten(
    olga: Account, now: Clock
) -> None:
    create_organizer(username="sam", password=PASSWORD)
    sam = check_login(username="sam", password=PASSWORD)
    assert sam is not None
    others = begin_login(sam, device="")
    first = begin_login(olga, device="")
    now.go(days=29)
    codes = []
    for _ in range(MOST_LOGINS):
        now.go(seconds=1)
        codes.append(begin_login(olga, device=""))
    assert [find_login(code or "") is not None for code in (first, codes[0], codes[-1])] == [
        False,
        True,
        True,
    ]
    now.go(days=30, minutes=5)
    begin_login(olga, device="")
    assert len(rows("SELECT * FROM login WHERE organizer_id = :id", id=olga.id)) == 1
    assert find_login(others or "") is None


def test_use_is_noted_once_where_many_use_it_at_once(
    in_app: Flask, olga: Account, now: Clock
) -> None:
    code = begin_login(olga, device="") or ""
    now.go(minutes=6)
    login = find_login(code)
    assert login is not None
    noted = together(in_app, [partial(logins.note_use, login) for _ in range(8)])
    assert noted.count(True) == 1
    assert (find_login(code) or login).last_seen_at - login.last_seen_at == timedelta(minutes=6)
