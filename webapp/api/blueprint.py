"""What every call of the API passes through: who asks, how often, and from which origin."""

from flask import Blueprint, Response, g, request
from flask.sansio.app import App
from flask.sansio.blueprints import BlueprintSetupState

from webapp.api import auth
from webapp.config import Settings
from webapp.door.passes import DoorPass
from webapp.errors import PassEnded
from webapp.web.fast_flask import request_context
from webapp.web.rate_limits import API_CALLS, API_CALLS_OF_ACCOUNT, DOOR_PASS_CALLS, client

bp = Blueprint("api", __name__, url_prefix="/api")

# Reading about the API is reading a page: nobody is counted.
NOT_COUNTED = {"api.docs", "api.document"}
EXPOSED_HEADERS = (
    "ETag, Location, Retry-After, WWW-Authenticate, X-Request-ID,"
    " X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match",
    "Access-Control-Max-Age": "600",
}


@bp.record_once
def prepare(state: BlueprintSetupState) -> None:
    settings: Settings = state.app.extensions["settings"]
    if settings.cors_origins:
        allow_origins(state.app, frozenset(settings.cors_origins))


@bp.before_request
def admit() -> None:
    """Find out who asks and count the request for them."""
    asked = request_context().request
    if asked.method == "OPTIONS" or asked.endpoint in NOT_COUNTED:
        return
    presents = "HTTP_AUTHORIZATION" in asked.environ
    account = door_pass = None
    if presents:
        door_pass = _presented_pass()
        account = None if door_pass else auth.presented_account()
    g.caller, g.door_pass = account, door_pass
    if door_pass is not None:
        g.limit_state = state = DOOR_PASS_CALLS.hit(str(door_pass.id))
    elif account is None:
        g.limit_state = state = API_CALLS.hit(client())
    else:
        g.limit_state = state = API_CALLS_OF_ACCOUNT.hit(str(account.id))
    if state is not None:
        state.refuse_if_exceeded()
    if presents and account is None and door_pass is None:
        raise auth.Unauthorized("wrong_credentials")


def _presented_pass() -> DoorPass | None:
    """The door pass of the request; who comes with one that is over is counted as anybody is."""
    try:
        return auth.presented_pass()
    except PassEnded:
        g.limit_state = state = API_CALLS.hit(client())
        if state is not None:
            state.refuse_if_exceeded()
        raise


@bp.after_request
def tell_limit(response: Response) -> Response:
    state = g.get("limit_state")
    if state is not None:
        response.headers.extend(
            [
                ("X-RateLimit-Limit", str(state.limit)),
                ("X-RateLimit-Remaining", str(max(0, state.left))),
                ("X-RateLimit-Reset", str(int(state.resets_at) + 1)),
            ]
        )
    return response


def allow_origins(app: App, origins: frozenset[str]) -> None:
    """Let scripts of these origins read what the API answers, errors of the router included."""

    @app.after_request
    def tell_origin(response: Response) -> Response:
        if not request.path.startswith("/api/"):
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
            if request.method == "OPTIONS":
                response.headers.update(PREFLIGHT_HEADERS)
        return response
