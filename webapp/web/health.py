"""For machines: does the process answer, and can it serve."""

from functools import cache

from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from webapp.errors import Unavailable
from webapp.extensions import migrate
from webapp.storage.migration import known_versions
from webapp.storage.transaction import read

bp = Blueprint("health", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)


@bp.get("/healthz")
def alive() -> ResponseReturnValue:
    """The process answers."""
    return jsonify(status="ok")


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
