"""Mails about an organizer's account: its address, its password."""

from webapp.accounts.addresses import (
    Owner,
    Purpose,
    address_of_mail,
    make_token,
    owner_of,
    owners_of_address,
)
from webapp.mail import limits
from webapp.mail.content import Link, Mail, Reason
from webapp.mail.failures import NothingToSend
from webapp.mail.links import link
from webapp.mail.rendering import language_for, words_of
from webapp.storage.rows import DeliveryRow
from webapp.text.sentence import later as _

BY_ACCOUNT = Reason(
    _("You get this mail because of an organizer's account with this address at %(site)s")
)
ACCOUNT_MAILS = {*Purpose, "account_address_changed", "password_changed"}


def account_mail(delivery: DeliveryRow) -> Mail:
    """The mail about an account. Raises `NothingToSend`, `NotYet`."""
    match delivery.what:
        case Purpose.RESET:
            return _lost_password(delivery)
        case Purpose.ADDRESS:
            owner = address_of_mail(delivery.details or {})
            if owner is None:
                raise NothingToSend
            mail = _mail(delivery, owner)
            token = make_token(Purpose.ADDRESS, owner, delivery.recipient)
            url = link("account.confirm_address", token=token)
            mail.button = Link(mail.language.gettext("Use this address"), url)
            return mail
    return _mail(delivery, owner_of((delivery.details or {})["organizer_id"]))


def _lost_password(delivery: DeliveryRow) -> Mail:
    """A link for each account of the address, made now: so each is good for an hour from here."""
    owners = owners_of_address(delivery.recipient)
    if not owners:
        raise NothingToSend
    limits.let_through(delivery)
    language = language_for(owners[-1].language)
    mail = Mail(language, *words_of(delivery.what, language, count=len(owners)), BY_ACCOUNT)
    mail.links = tuple(
        Link(
            owner.username,
            link(
                "account.choose_password",
                token=make_token(Purpose.RESET, owner, delivery.recipient),
            ),
        )
        for owner in owners
    )
    return mail


def _mail(delivery: DeliveryRow, owner: Owner) -> Mail:
    language = language_for(owner.language)
    words = words_of(delivery.what, language, username=owner.username, address=owner.email)
    return Mail(language, *words, BY_ACCOUNT)
