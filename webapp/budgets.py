"""How often a client, an account or an address may do or be done something.

Flask-Limiter is configured as ever and owns the storage; its own work around each request costs
several times what counting does, so here something is counted by one call of that storage.
"""

import hashlib
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from webapp.config import Settings
from webapp.extensions import limiter
from webapp.limits import Budget, Spent, client
from webapp.services import news
from webapp.services.accounts import Account

TIMES_FOR_ACCOUNT = 10
# Failed log-ins, before a password is looked at again.
FAILURES_PER_CLIENT = "20 per 15 minutes"
FAILURES_PER_USERNAME = "100 per 15 minutes"
LINKS_PER_ADDRESS = "3 per hour"


@dataclass(frozen=True, slots=True)
class Budgets:
    client: Budget
    account: Budget
    failures_of_client: Budget
    failures_of_username: Budget
    links_of_address: Budget


def init_app(app: Flask) -> None:
    """Make the budgets that the settings ask for; none where the limiter is off."""
    settings: Settings = app.extensions["settings"]
    budgets = None
    if settings.ratelimit_enabled:
        storage, default = limiter.storage, settings.ratelimit_default
        budgets = Budgets(
            client=Budget("api/client", default, storage=storage),
            account=Budget("api/account", default, storage=storage, times=TIMES_FOR_ACCOUNT),
            failures_of_client=Budget("login/client", FAILURES_PER_CLIENT, storage=storage),
            failures_of_username=Budget("login/name", FAILURES_PER_USERNAME, storage=storage),
            links_of_address=Budget("find/address", LINKS_PER_ADDRESS, storage=storage),
        )
    app.extensions["budgets"] = budgets


def current() -> Budgets | None:
    return cast(Budgets | None, current_app.extensions["budgets"])


def spend(account: Account | None) -> Spent | None:
    """Count this request for the account, or for the client where there is none."""
    budgets = current()
    if budgets is None:
        return None
    if account is not None:
        return budgets.account.spend(str(account.id))
    return budgets.client.spend(client())


def mail_links(email: str, *, first: tuple[int, int] | None = None) -> bool:
    """Have an address sent the links of its bookings, as `news.send_links` does.

    Not so often that it is a nuisance: says whether it will be.
    """
    budgets = current()
    if budgets is not None:
        # The address is nobody's business in a storage that others may read.
        name = hashlib.sha256(email.encode()).hexdigest()
        if budgets.links_of_address.spend(name).left < 0:
            return False
    news.send_links(email, first=first)
    return True
