"""An organizer's settings, a lost password, and what strangers learn of them: nothing."""

import re
from typing import Any

import pytest
from flask import Flask

from tests.pages.conftest import PASSWORD, Person, text_of
from tests.support.tools import rows, set_own_address
from webapp.accounts import services as accounts
from webapp.accounts.addresses import Purpose, make_token, owner_of
from webapp.accounts.tokens import check_token
from webapp.mail import trial
from webapp.operations import doctor
from webapp.operations.findings import fix

SECTIONS = ("account", "password", "mails", "sign-ins", "tokens", "site", "checks")
ADDRESS = "olga@example.org"


@pytest.mark.parametrize("section", SECTIONS)
def test_each_section_works_alone_and_leads_to_the_others(owner: Person, section: str) -> None:
    page = owner.get(f"/organizer/settings/{section}")
    assert page.status_code == 200
    assert all(f'href="/organizer/settings/{other}"' in page.text for other in SECTIONS)
    assert page.text.count('aria-current="page"') == 1
    part = owner.get(f"/organizer/settings/{section}", fragment=True)
    assert "<html" not in part.text


def test_password_is_changed_with_the_old_one_and_logs_out_everywhere_else(
    app: Flask, owner: Person
) -> None:
    elsewhere = Person(app)
    elsewhere.log_in()
    page = "/organizer/settings/password"
    for old, new, said in (
        ("wrong", "a new password", "This is not your password."),
        (PASSWORD, "short", "Use at least 8 characters."),
    ):
        answer = owner.submit(page, password=old, new_password=new)
        assert answer.status_code == 400
        assert said in text_of(answer)
        assert new not in answer.text
    answer = owner.submit(page, password=PASSWORD, new_password="a new password")
    assert answer.status_code == 303
    assert owner.get(page).status_code == 200
    assert elsewhere.get("/organizer").status_code == 303
    assert Person(app).log_in(password="a new password").status_code == 303
    assert Person(app).log_in().status_code == 401


def test_new_password_revokes_tokens_where_that_is_wanted(app: Flask, owner: Person) -> None:
    token = make_api_token(owner)
    page = "/organizer/settings/password"
    owner.submit(page, password=PASSWORD, new_password="a new password")
    with app.app_context():
        assert check_token(token) is not None
    owner.submit(
        page, password="a new password", new_password="a third password", revoke_tokens="yes"
    )
    with app.app_context():
        assert check_token(token) is None


def make_api_token(owner: Person, **fields: str) -> str:
    wanted: dict[str, Any] = {"name": "till", "level": "book", **fields}
    page = "/organizer/settings/tokens"
    made = owner.submit(page, page, **wanted)
    assert made.status_code == 200, text_of(made)
    found = re.search(r"nextup_[\w-]+", made.text)
    assert found is not None
    return found[0]


def test_token_is_shown_once_and_revoked_by_its_button(app: Flask, owner: Person) -> None:
    page = "/organizer/settings/tokens"
    token = make_api_token(owner, days="30")
    shown = owner.get(page)
    assert token not in shown.text
    assert "Book: also make, change and cancel bookings" in text_of(shown)
    assert "Never used." in text_of(shown)
    with app.app_context():
        assert check_token(token) is not None
        [row] = rows("SELECT id FROM api_token")
    assert "Last used about" in text_of(owner.get(page))
    assert owner.submit(page, f"{page}/{row.id}/revoke").status_code == 303
    with app.app_context():
        assert check_token(token) is None
    assert "You have no tokens." in text_of(owner.get(page))
    for fields, said in (
        ({"name": ""}, "Fill in this field."),
        ({"name": "x", "level": "all"}, "Use one of"),
        ({"name": "x", "days": "0"}, "Use a number"),
    ):
        wanted: dict[str, Any] = {"level": "read", **fields}
        answer = owner.submit(page, page, **wanted)
        assert answer.status_code == 400
        assert said in text_of(answer)


def test_nobody_revokes_or_ends_what_is_another_organizers(app: Flask, owner: Person) -> None:
    with app.app_context():
        accounts.create_organizer(username="sam", password=PASSWORD)
    other_owner = Person(app)
    other_owner.log_in("sam")
    token = make_api_token(owner)
    with app.app_context():
        [row] = rows("SELECT id FROM api_token")
        [mine, *_] = rows("SELECT id FROM login ORDER BY id")
    page = "/organizer/settings/tokens"
    action = f"{page}/{row.id}/revoke"
    answer = other_owner.client.post(action, data=other_owner.token(page))
    assert answer.status_code == 404
    with app.app_context():
        assert check_token(token) is not None
    page = "/organizer/settings/sign-ins"
    other_owner.client.post(page, data={**other_owner.token(page), "login": str(mine.id)})
    assert owner.get(page).status_code == 200


def test_sign_ins_are_listed_and_ended_on_the_server(app: Flask, owner: Person) -> None:
    page = "/organizer/settings/sign-ins"
    phone, tablet = Person(app), Person(app)
    for device in (phone, tablet):
        device.log_in()
    shown = owner.get(page)
    assert shown.text.count("This device") == 1
    ids = re.findall(r'name="login" value="(\d+)"', shown.text)
    assert len(ids) == 3
    with app.app_context():
        [newest] = rows("SELECT MAX(id) AS id FROM login")
    form = {**owner.token(page), "login": str(newest.id)}
    assert owner.client.post(page, data=form).status_code == 303
    assert tablet.get("/organizer").status_code == 303
    assert phone.get("/organizer").status_code == 200
    assert owner.client.post(page, data=owner.token(page)).status_code == 303
    assert phone.get("/organizer").status_code == 303
    assert owner.get(page).status_code == 200


def test_address_asks_for_the_password_and_counts_once_it_is_proven(
    app: Flask, owner: Person, owner_id: int
) -> None:
    page, action = "/organizer/settings/account", "/organizer/settings/account/address"
    answer = owner.submit(page, action, email=ADDRESS, password="wrong")
    assert answer.status_code == 400
    assert "This is not your password." in text_of(answer)
    assert f'value="{ADDRESS}"' in answer.text
    assert owner.submit(page, action, email=ADDRESS, password=PASSWORD).status_code == 303
    with app.app_context():
        assert owner_of(owner_id).email is None
        assert [row.recipient for row in rows("SELECT * FROM delivery")] == [ADDRESS]
        token = make_token(Purpose.ADDRESS, owner_of(owner_id), ADDRESS)
    path = f"/login/address?token={token}"
    # Following the link changes nothing, whoever follows it.
    stranger = Person(app)
    assert stranger.get(path).status_code == 200
    with app.app_context():
        assert owner_of(owner_id).email is None
    assert "The address is yours" in text_of(stranger.submit(path, "/login/address"))
    assert stranger.get(path).status_code == 410
    assert "shown to be yours. A new password can be asked for with it." in text_of(owner.get(page))
    assert owner.submit(page, action, email="", password=PASSWORD).status_code == 303
    with app.app_context():
        assert owner_of(owner_id).email is None


def test_lost_password_is_answered_alike_and_only_a_proven_address_gets_the_link(
    app: Flask, person: Person, owner_id: int
) -> None:
    page = "/login/lost"
    assert f'href="{page}"' in person.get("/login").text
    with app.app_context():
        set_own_address(owner_id, ADDRESS)
    told = set()
    for address in (ADDRESS, "nobody@example.org"):
        assert person.submit(page, email=address).status_code == 303
        told.add(text_of(person.get(page)))
    assert len(told) == 1
    assert "If there is an account with this address" in told.pop()
    with app.app_context():
        token = make_token(Purpose.RESET, owner_of(owner_id), ADDRESS)
    path = f"/login/new-password?token={token}"
    refused = person.submit(path, "/login/new-password", new_password="short")
    assert refused.status_code == 400
    done = person.submit(path, "/login/new-password", new_password="a new password")
    assert (done.status_code, done.location) == (303, "/login")
    assert person.get(path).status_code == 410
    assert person.log_in(password="a new password").status_code == 303


def test_test_mail_shows_what_the_mail_server_says(
    app: Flask, owner: Person, owner_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "/organizer/settings/mails"
    assert "/organizer/settings/mails/trial" not in owner.get(page).text
    with app.app_context():
        set_own_address(owner_id, ADDRESS)
    assert owner.submit(page, f"{page}/trial").status_code == 303
    assert "There is no mail server, so the mail is in a file:" in text_of(owner.get(page))
    failed = trial.Trial(False, "The mail server mail.example.org does not accept our login: 535")
    monkeypatch.setattr("webapp.pages.organizer.settings.send_trial", lambda *_: failed)
    assert owner.submit(page, f"{page}/trial").status_code == 303
    assert f"The mail was not sent: {failed.said}" in text_of(owner.get(page))
    for _ in range(3):
        owner.submit(page, f"{page}/trial")
    assert owner.submit(page, f"{page}/trial").status_code == 429


def test_checks_are_run_by_their_button_and_tell_organizers_nothing_of_the_machine(
    app: Flask, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "/organizer/settings/checks"
    assert "MAIL_URL" not in text_of(owner.get(page)), "a page asks nobody by itself"
    found = owner.submit(page)
    assert found.status_code == 200
    told = text_of(found)
    assert "Nextup does not run: nobody answers at http://127.0.0.1:3000 (BASE_URL)" in told
    assert "MAIL_URL: it is not set" in told
    assert "1 thing is to be mended." in told
    machine = ("MB are free", "The tables", "SQLite", "backup", "chmod")
    assert not any(words in told for words in machine)
    part = owner.submit(page, fragment=True)
    assert "<html" not in part.text
    german = owner.client.post(page, data=owner.token(page), headers={"Accept-Language": "de"})
    assert "MAIL_URL: Sie ist nicht gesetzt" in text_of(german)
    with doctor._running:
        assert owner.submit(page).status_code == 503
    assert owner.submit(page).status_code == 200
    assert owner.submit(page).status_code == 429


def test_organizer_learns_that_there_is_more_for_whoever_runs_the_site(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = (doctor.Check(lambda: [fix("The disk of db7 is full")], is_operators=True),)
    monkeypatch.setattr(doctor, "CHECKS", checks)
    told = text_of(owner.submit("/organizer/settings/checks"))
    assert "All that is looked at here is well." in told
    assert "flask --app wsgi doctor" in told
    assert "db7" not in told
