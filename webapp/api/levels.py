"""What a token may do: each call needs a level of whoever presents credentials."""

from flask import current_app, g, request

from webapp.accounts.services import Account
from webapp.api.blueprint import bp
from webapp.api.openapi import CALLS
from webapp.errors import InsufficientAccess


@bp.before_request
def require_level() -> None:
    """Refuse a token whose level is below that of the call. It comes after `admit`."""
    caller: Account | None = g.get("caller")
    if caller is None or request.endpoint is None:
        return
    call = CALLS.get(current_app.view_functions[request.endpoint])
    if call is not None and call.who != "anybody" and not caller.level.includes(call.level):
        raise InsufficientAccess(level=call.level.value)
