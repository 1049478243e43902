"""For machines: does the process answer, and can it serve."""

import time
from functools import cache

from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from webapp.config import current_settings
from webapp.errors import Unavailable
from webapp.extensions import migrate
from webapp.identity import ANSWER, ASK, answer, is_ours
from webapp.storage.migration import known_versions
from webapp.storage.transaction import read
from webapp.web.proxies import has_unnamed_proxy

# Seconds of the clock: whether the process runs the code that is there now.
STARTED = time.time()

bp = Blueprint("health", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)


@bp.get("/healthz")
def alive() -> ResponseReturnValue:
    """The process answers; to who asks with our secret key, also how the request came in."""
    response = jsonify(status="ok")
    asked, key = request.headers.get(ASK, ""), current_app.secret_key
    if asked and isinstance(key, str) and is_ours(asked, key):
        response.headers[ANSWER] = answer(asked, key, _seen())
    return response


def _seen() -> dict[str, object]:
    """What `flask doctor` has to know of the way to us."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return {
        "forwarded": len([one for one in forwarded.split(",") if one.strip()]),
        "client": request.remote_addr or "",
        "trusted": current_settings().trusted_proxies,
        "unnamed": has_unnamed_proxy(),
        "started": STARTED,
    }


@bp.get("/readyz")
def ready() -> ResponseReturnValue:
    """The database is reachable and has the tables of this version, or of a later one.

    A later one has migrated it while this process serves, which goes on until it is stopped.
    """
    query = text("SELECT version_num FROM alembic_version")
    try:
        version = read(lambda connection: connection.execute(query).scalar())
    except Unavailable:
        return jsonify(status="unavailable", detail="The database cannot be reached."), 503
    except DBAPIError:
        version = None
    if version is None or version in earlier_versions():
        return jsonify(status="unavailable", detail="The database is not migrated."), 503
    return jsonify(status="ok")


@cache
def earlier_versions() -> frozenset[str]:
    """The migrations before the one that this version of Nextup stands on."""
    script = ScriptDirectory.from_config(migrate.get_config())
    return frozenset(known_versions(script) - {script.get_current_head() or ""})
