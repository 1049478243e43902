"""What a token may do: each call needs a level of whoever presents credentials."""

from flask import current_app, g, request

from webapp.accounts.services import Account, Level
from webapp.api.blueprint import bp
from webapp.api.openapi import CALLS
from webapp.door.passes import DoorPass
from webapp.errors import InsufficientAccess


@bp.before_request
def require_level() -> None:
    """Refuse a token whose level is below that of the call. It comes after `admit`."""
    caller: Account | None = g.get("caller")
    door_pass: DoorPass | None = g.get("door_pass")
    if (caller is None and door_pass is None) or request.endpoint is None:
        return
    call = CALLS.get(current_app.view_functions[request.endpoint])
    if door_pass is not None and (call is None or call.who != "door"):
        raise InsufficientAccess(level=(call.level if call else Level.READ).value)
    if caller is None:
        return
    if call is not None and call.who != "anybody" and not caller.level.includes(call.level):
        raise InsufficientAccess(level=call.level.value)
