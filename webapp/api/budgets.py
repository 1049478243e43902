"""How many requests a client may send: one budget per address, a larger one per account.

Flask-Limiter is configured as ever and owns the storage; its own work around each request costs
several times what counting does, so here a request is counted by one call of that storage.
"""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from webapp.config import Settings
from webapp.extensions import limiter
from webapp.limits import Budget, Spent, client
from webapp.services.accounts import Account

TIMES_FOR_ACCOUNT = 10
# Failed log-ins, before a password is looked at again.
FAILURES_PER_CLIENT = "20 per 15 minutes"
FAILURES_PER_USERNAME = "100 per 15 minutes"


@dataclass(frozen=True, slots=True)
class Budgets:
    client: Budget
    account: Budget
    failures_of_client: Budget
    failures_of_username: Budget


def make(settings: Settings) -> Budgets | None:
    """The budgets that the settings ask for; none where the limiter is off."""
    if not settings.ratelimit_enabled:
        return None
    storage, default = limiter.storage, settings.ratelimit_default
    return Budgets(
        client=Budget("api/client", default, storage=storage),
        account=Budget("api/account", default, storage=storage, times=TIMES_FOR_ACCOUNT),
        failures_of_client=Budget("login/client", FAILURES_PER_CLIENT, storage=storage),
        failures_of_username=Budget("login/name", FAILURES_PER_USERNAME, storage=storage),
    )


def current() -> Budgets | None:
    return cast(Budgets | None, current_app.extensions["api_budgets"])


def spend(account: Account | None) -> Spent | None:
    """Count this request for the account, or for the client where there is none."""
    budgets = current()
    if budgets is None:
        return None
    if account is not None:
        return budgets.account.spend(str(account.id))
    return budgets.client.spend(client())
