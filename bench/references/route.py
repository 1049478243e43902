"""A Flask route without a database: what the framework and what surrounds a request leave over.

Limiter, request id, log line, JSON parsing and JSON answer are Nextup's own code.
"""

from itertools import count

from flask import Blueprint, Flask, Response, jsonify

from webapp import logs
from webapp.api import blueprint
from webapp.config import load_settings
from webapp.web import rate_limits
from webapp.web.json_bodies import answer, read_json

bp = Blueprint("reference", __name__, url_prefix="/api")
bp.before_request(blueprint.admit)
bp.after_request(blueprint.tell_limit)

_positions = count(1)


@bp.post("/events/book")
def book() -> Response:
    asked = read_json()
    position = next(_positions)
    logs.log_event(
        "booking",
        event_id=asked["eventId"],
        position=position,
        status="confirmed",
        tickets=1,
        actor="attendee",
    )
    shown = {
        "status": "confirmed",
        "message": "Your booking is confirmed.",
        "bookingReference": "a-reference-of-22-chars",
        "eventId": asked["eventId"],
        "userId": asked["userId"],
        "tickets": 1,
    }
    return answer(shown, 201)


def make_app() -> Flask:
    settings = load_settings()
    app = Flask(__name__)
    app.extensions["settings"] = settings
    logs.init_app(app)
    rate_limits.init_app(app)
    app.register_blueprint(bp)
    app.add_url_rule("/healthz", view_func=lambda: jsonify(status="ok"))
    return app


app = make_app()
