"""Organizers, their passwords and tokens."""

from functools import partial

import pytest
from flask import Flask

from tests.support.tools import rows, together
from webapp.accounts import services as accounts
from webapp.accounts.services import (
    check_login,
    create_organizer,
    ensure_organizer,
    find_account,
    first_username,
    id_of,
    set_password,
)
from webapp.accounts.tokens import check_token, create_token, revoke_token, tokens_of
from webapp.errors import InvalidInput, NameTaken, TokenNotFound

PASSWORD = "correct horse"

pytestmark = pytest.mark.usefixtures("in_app")


def test_login_needs_the_exact_name_and_password() -> None:
    account_id = create_organizer(username="olga", password=PASSWORD)
    account = check_login(username="olga", password=PASSWORD)
    assert account is not None
    assert (account.id, account.username) == (account_id, "olga")
    assert find_account(account_id) == account
    for username, password in (
        ("olga", "correct horsf"),
        ("olga", ""),
        ("Olga", PASSWORD),
        ("ölga", PASSWORD),
        ("nobody", PASSWORD),
    ):
        assert check_login(username=username, password=password) is None


def test_password_is_not_kept() -> None:
    create_organizer(username="olga", password=PASSWORD)
    assert PASSWORD not in str(rows("SELECT * FROM organizer"))


def test_password_is_hashed_slowly_when_nobody_hurries_it(
    quick_hashes: pytest.MonkeyPatch,
) -> None:
    quick_hashes.undo()
    create_organizer(username="olga", password=PASSWORD)
    assert rows("SELECT password_hash FROM organizer")[0].password_hash.startswith("scrypt:")


def test_unknown_name_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    create_organizer(username="olga", password=PASSWORD)
    checked: list[str] = []

    def check(password_hash: str, password: str) -> bool:
        checked.append(password_hash)
        return False

    monkeypatch.setattr(accounts, "check_password_hash", check)
    check_login(username="olga", password="wrong wrong")
    check_login(username="nobody", password="wrong wrong")
    assert len(checked) == 2
    assert checked[0].split("$")[0].split(":")[0] in ("pbkdf2", "scrypt")


def test_name_can_be_taken_once_also_at_the_same_moment(in_app: Flask) -> None:
    call = partial(create_organizer, username="olga", password=PASSWORD)
    answers = together(in_app, [call] * 8)
    assert sum(isinstance(answer, int) for answer in answers) == 1
    assert sum(isinstance(answer, NameTaken) for answer in answers) == 7


def test_names_are_told_apart_byte_by_byte_but_not_by_space_around_them() -> None:
    create_organizer(username="muller", password=PASSWORD)
    create_organizer(username="müller", password=PASSWORD)
    create_organizer(username="Muller", password=PASSWORD)
    with pytest.raises(NameTaken):
        create_organizer(username=" muller ", password=PASSWORD)


@pytest.mark.parametrize("username", ["", "  ", "a:b", "a\nb", "a\x00", "x" * 65, "\ud800"])
def test_name_that_cannot_be_used_is_refused(username: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_organizer(username=username, password=PASSWORD)
    assert set(refused.value.problems) == {"username"}


def test_short_password_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        create_organizer(username="olga", password="1234567")
    assert set(refused.value.problems) == {"password"}
    assert first_username() is None


def test_first_organizer_is_made_once_and_its_password_never_changed() -> None:
    assert first_username() is None
    assert ensure_organizer(username="olga", password=PASSWORD)
    assert first_username() == "olga"
    assert not ensure_organizer(username="olga", password="another one")
    assert check_login(username="olga", password=PASSWORD)


def test_new_password_ends_what_the_old_one_opened() -> None:
    create_organizer(username="olga", password=PASSWORD)
    before = check_login(username="olga", password=PASSWORD)
    set_password(id_of("olga"), password="new password")
    after = check_login(username="olga", password="new password")
    assert check_login(username="olga", password=PASSWORD) is None
    assert before is not None
    assert after is not None
    assert after.credential_version > before.credential_version
    assert find_account(before.id) == after
    with pytest.raises(InvalidInput):
        set_password(id_of("nobody"), password="new password")


def test_token_stands_for_its_organizer_until_it_is_revoked() -> None:
    olga = create_organizer(username="olga", password=PASSWORD)
    sam = create_organizer(username="sam", password=PASSWORD)
    till, gate = (create_token(id_of("olga"), name=name) for name in ("till", "gate"))
    other = create_token(id_of("sam"), name="till")
    assert [getattr(check_token(t), "id", None) for t in (till, gate, other)] == [olga, olga, sam]
    assert till not in str(rows("SELECT * FROM api_token"))
    with pytest.raises(TokenNotFound):
        revoke_token(tokens_of(olga)[0].id, organizer_id=sam)
    assert revoke_token(tokens_of(olga)[0].id, organizer_id=olga) == "till"
    assert [getattr(check_token(t), "id", None) for t in (till, gate, other)] == [None, olga, sam]
    assert check_token("nextup_guess") is None
    with pytest.raises(InvalidInput):
        create_token(id_of("nobody"), name="till")


def test_account_that_is_gone_is_not_found() -> None:
    assert find_account(12345) is None


@pytest.mark.parametrize("username", ["olga ", "olga   ", " olga", "olga\t", "olga\u00a0"])
def test_space_around_a_name_is_no_part_of_it(username: str) -> None:
    olga = create_organizer(username="olga", password=PASSWORD)
    account = check_login(username=username, password=PASSWORD)
    assert account is not None
    assert (account.id, account.username) == (olga, "olga")
