"""The address of an account: proving that it is the organizer's, and a lost password by it.

Both go by a signed token that only a mail holds, and only the button behind its link does
something. A token dies after its time, and as soon as the password or the address is another.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, cast

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Connection, Row, select, update

from webapp import clock
from webapp.accounts.services import lock_organizer, set_password, tell_organizer
from webapp.config import current_settings
from webapp.errors import LinkExpired
from webapp.logs import log_event
from webapp.storage import outbox
from webapp.storage.tables import deliveries, organizers
from webapp.storage.transaction import read, write


class Purpose(StrEnum):
    """What the button behind a token does; also the kind of mail that holds it."""

    ADDRESS = "account_address"
    RESET = "lost_password"


VALID = {Purpose.ADDRESS: timedelta(hours=24), Purpose.RESET: timedelta(hours=1)}
# The reason that an error tells.
REASONS = {Purpose.ADDRESS: "address", Purpose.RESET: "password"}


class Token(NamedTuple):
    """What a token says: the account, its `state` when the token was made, and an address."""

    organizer_id: int
    state: str
    address: str


class Owner(NamedTuple):
    """An account as its owner is told of it."""

    id: int
    username: str
    language: str | None
    email: str | None
    email_is_proven: bool
    credential_version: int


_owners = select(*(organizers.c[name] for name in Owner._fields)).order_by(organizers.c.id)


def owner_of(organizer_id: int) -> Owner:
    """An account as it is now."""
    query = _owners.where(organizers.c.id == organizer_id)
    return read(lambda connection: Owner(*connection.execute(query).one()))


def owners_of_address(address: str) -> Sequence[Owner]:
    """Every account whose address this is and was proven to be."""
    query = _owners.where(organizers.c.email == address, organizers.c.email_is_proven.is_(True))
    return read(lambda connection: [Owner(*row) for row in connection.execute(query)])


def make_token(purpose: Purpose, owner: Owner, address: str) -> str:
    """A token that is good from now on."""
    until = clock.now() + VALID[purpose]
    said = Token(owner.id, _state_of(owner), address)
    return str(_signer(purpose).dumps([int(until.timestamp()), *said]))


def read_token(purpose: Purpose, text: str) -> tuple[Token, Owner]:
    """What a token says, and the account it is for. Raises `LinkExpired`."""
    try:
        until, *values = _signer(purpose).loads(text)
    except BadData as error:
        raise LinkExpired(REASONS[purpose]) from error
    said = Token(*values)
    owner = owner_of(said.organizer_id)
    if int(clock.now().timestamp()) > until or said.state != _state_of(owner):
        raise LinkExpired(REASONS[purpose])
    return said, owner


def _signer(purpose: Purpose) -> URLSafeSerializer:
    secret = current_settings().secret_key
    assert secret is not None
    return URLSafeSerializer(secret, salt=f"organizer {purpose}")


def _state_of(owner: Owner | Row[tuple[object, ...]]) -> str:
    """What a token is bound to: the password and the address of an account, as a short hash."""
    told = f"{owner.credential_version} {owner.email or ''} {bool(owner.email_is_proven)}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def ask_address(organizer_id: int, *, address: str) -> None:
    """Mail a token to an address that is to be the account's."""

    def work(connection: Connection) -> None:
        owner = lock_organizer(connection, organizer_id)
        outbox.enqueue(
            connection,
            Purpose.ADDRESS.value,
            recipient=address,
            details={"organizer_id": organizer_id, "state": _state_of(owner)},
            now=clock.now(),
        )

    write(work)
    log_event("organizer's address asked", organizer_id=organizer_id)


def address_of_mail(details: dict[str, object]) -> Owner | None:
    """The account that a mail to a new address is about; none if it has changed since."""
    owner = owner_of(cast(int, details["organizer_id"]))
    return owner if _state_of(owner) == details["state"] else None


def set_address(text: str) -> str:
    """Give an account the address to which the token was mailed, and return it.

    The one before is told. Raises `LinkExpired`.
    """
    said, _ = read_token(Purpose.ADDRESS, text)

    def work(connection: Connection) -> None:
        owner = lock_organizer(connection, said.organizer_id)
        if _state_of(owner) != said.state:
            raise LinkExpired("address")
        _change_address(connection, owner, said.address, is_proven=True)

    write(work)
    log_event("organizer's address proven", organizer_id=said.organizer_id)
    return said.address


def remove_address(organizer_id: int) -> None:
    """Have an account without an address: nothing is mailed to its organizer then."""

    def work(connection: Connection) -> None:
        owner = lock_organizer(connection, organizer_id)
        if owner.email is not None:
            _change_address(connection, owner, None, is_proven=False)
            wishes = {"wants_sold_out": False, "wants_summary": False}
            change = update(organizers).where(organizers.c.id == organizer_id)
            connection.execute(change.values(wishes))

    write(work)
    log_event("organizer's address removed", organizer_id=organizer_id)


def _change_address(
    connection: Connection, owner: Row[tuple[object, ...]], address: str | None, *, is_proven: bool
) -> None:
    change = update(organizers).where(organizers.c.id == owner.id)
    connection.execute(change.values(email=address, email_is_proven=is_proven))
    if owner.email not in (None, address):
        tell_organizer(connection, owner.id, "account_address_changed", to=owner.email)


def ask_for_new_password(address: str, *, network: str | None) -> None:
    """Mail a link for each account of a proven address; nothing is mailed if there is none.

    For each network one mail is under way at a time, however often it is asked for; whoever asks
    from elsewhere does not wait behind those of a stranger.
    """
    under_way = select(deliveries.c.id).where(
        deliveries.c.channel == outbox.MAIL,
        deliveries.c.state == "pending",
        deliveries.c.bulk.in_((False, True)),
        deliveries.c.what == Purpose.RESET.value,
        deliveries.c.recipient == address,
        deliveries.c.network == network,
    )

    def work(connection: Connection) -> None:
        if connection.execute(under_way.limit(1)).first() is None:
            outbox.enqueue(
                connection,
                Purpose.RESET.value,
                recipient=address,
                network=network,
                now=clock.now(),
            )

    write(work)


def reset_password(text: str, *, password: str, revoke_tokens: bool) -> str:
    """Set the password of the account that a token is for; its name.

    The token is used up then. Raises `InvalidInput`, `LinkExpired`.
    """
    _, owner = read_token(Purpose.RESET, text)
    set_password(
        owner.id,
        password=password,
        version=owner.credential_version,
        revoke_tokens=revoke_tokens,
        field="new_password",
    )
    return owner.username
