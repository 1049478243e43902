"""The least that Flask does: a route that reads JSON and answers JSON, with nothing around it."""

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.post("/api/events/book")
def book() -> tuple[Response, int]:
    asked = request.get_json()
    shown = {"status": "confirmed", "eventId": asked["eventId"], "userId": asked["userId"]}
    return jsonify(shown), 201


@app.get("/healthz")
def health() -> Response:
    return jsonify(status="ok")
