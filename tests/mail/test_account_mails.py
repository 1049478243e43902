"""Mails about an organizer's account: who gets a link, and what it opens."""

import re

from flask.testing import FlaskClient

from tests.mail.conftest import BASE_URL, Clock, Drain
from tests.support.mail import Mailbox, SmtpServer, words_of
from tests.support.tools import rows, set_own_address
from webapp.accounts import addresses
from webapp.accounts import services as accounts
from webapp.accounts.services import check_login
from webapp.config import current_settings
from webapp.mail.limits import MOST_OF_NETWORK
from webapp.mail.trial import send_trial
from webapp.text.languages import ENGLISH, LANGUAGES

OLGA = "olga@example.org"
LINK = re.compile(rf"{re.escape(BASE_URL)}/login/new-password\?token=([\w.-]+)")


def test_proven_address_gets_a_link_for_each_of_its_accounts(
    owner_id: int, drain: Drain, mailbox: Mailbox
) -> None:
    other_id = accounts.create_organizer(username="choir", password="another password")
    for organizer_id in (owner_id, other_id):
        set_own_address(organizer_id, OLGA)
    accounts.set_language(other_id, "de")
    addresses.ask_for_new_password(OLGA, network="n")
    addresses.ask_for_new_password("nobody@example.org", network="n")
    drain()
    (mail,) = mailbox.to(OLGA)
    assert not mailbox.to("nobody@example.org")
    assert mail["Subject"] == "Ein neues Passwort für Ihr Konto"
    words = words_of(mail)
    assert words.index("owner") < words.index("choir")
    tokens = LINK.findall(words)
    assert len(tokens) == 2
    assert addresses.reset_password(tokens[1], password="a third password", revoke_tokens=False)
    assert check_login(username="choir", password="a third password") is not None
    drain()
    assert mailbox.to(OLGA)[1]["Subject"] == "Ihr Passwort wurde geändert"


def test_address_that_was_never_proven_gets_nothing(
    owner_id: int, drain: Drain, mailbox: Mailbox
) -> None:
    set_own_address(owner_id, OLGA, email_is_proven=False)
    addresses.ask_for_new_password(OLGA, network="n")
    drain()
    assert not mailbox.to(OLGA)
    assert not rows("SELECT id FROM delivery WHERE state = 'pending'")


def test_flood_of_requests_is_held_back_and_never_summed_up(
    owner_id: int, drain: Drain, mailbox: Mailbox, the_clock: Clock
) -> None:
    set_own_address(owner_id, OLGA)
    for _ in range(MOST_OF_NETWORK + 3):
        addresses.ask_for_new_password(OLGA, network="n")
        drain()
    assert len(mailbox.to(OLGA)) == MOST_OF_NETWORK
    # Whoever asks from home does not wait for the stranger's to leave.
    addresses.ask_for_new_password(OLGA, network="home")
    drain()
    assert len(mailbox.to(OLGA)) == MOST_OF_NETWORK + 1
    the_clock.put_forward(minutes=61)
    drain()
    mails = mailbox.to(OLGA)
    assert len(mails) == MOST_OF_NETWORK + 2
    assert addresses.read_token(addresses.Purpose.RESET, LINK.findall(words_of(mails[-1]))[0])


def test_new_address_is_proven_by_its_mail_and_the_old_one_hears_of_it(
    owner_id: int, drain: Drain, mailbox: Mailbox, app: object
) -> None:
    set_own_address(owner_id, "old@example.org")
    addresses.ask_address(owner_id, address=OLGA)
    drain()
    (mail,) = mailbox.to(OLGA)
    token = re.findall(r"/login/address\?token=([\w.-]+)", words_of(mail))[0]
    addresses.set_address(token)
    drain()
    (told,) = mailbox.to("old@example.org")
    assert told["Subject"] == "Your account has another address"
    assert OLGA not in words_of(told)


def test_trial_tells_the_servers_own_words(
    smtp: SmtpServer, mailbox: Mailbox, client: FlaskClient
) -> None:
    assert current_settings().mail_url
    trial = send_trial(OLGA, ENGLISH)
    assert trial.is_sent
    assert trial.said.startswith("250 ")
    (mail,) = mailbox.to(OLGA)
    assert mail["Subject"] == "Mails work"
    smtp.stop()
    trial = send_trial(OLGA, LANGUAGES["de"])
    assert not trial.is_sent
    assert "cannot be used" in trial.said
