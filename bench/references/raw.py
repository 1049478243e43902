"""The least that books a ticket safely: bare WSGI, raw PyMySQL, one transaction per booking.

No framework, no validation, no limiter, no log, no history, no waiting list.
"""

import json
import os
import threading
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pymysql

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TABLES = (
    "CREATE TABLE raw_event (id BIGINT PRIMARY KEY, capacity INT NOT NULL, confirmed INT NOT NULL)",
    "CREATE TABLE raw_booking (id BIGINT AUTO_INCREMENT PRIMARY KEY, event_id BIGINT NOT NULL,"
    " attendee_id VARCHAR(64) NOT NULL, tickets INT NOT NULL,"
    " created_at DATETIME(6) NOT NULL DEFAULT NOW(6), UNIQUE (event_id, attendee_id),"
    " FOREIGN KEY (event_id) REFERENCES raw_event (id))",
)
JSON_HEADERS = [("Content-Type", "application/json")]

_thread = threading.local()


def connect(port: int, database: str) -> "pymysql.Connection":
    """A connection as Nextup has them: READ COMMITTED, transactions ended by hand."""
    return pymysql.connect(
        host="127.0.0.1",
        port=port,
        user="app",
        password="app",
        database=database,
        init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    )


def prepare(port: int, database: str, events: int) -> None:
    """Make the tables and events 1 to `events`, each with room for everybody."""
    with closing(connect(port, database)) as connection, connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(table)
        rows = [(event_id, 100_000_000) for event_id in range(1, events + 1)]
        cursor.executemany("INSERT INTO raw_event VALUES (%s, %s, 0)", rows)
        connection.commit()


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/healthz":
        start_response("200 OK", JSON_HEADERS)
        return [b'{"status":"ok"}']
    asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    booking_id = book(asked["eventId"], str(asked["userId"]))
    if booking_id is None:
        start_response("409 Conflict", JSON_HEADERS)
        return [b'{"error": "already booked or sold out"}']
    start_response("201 Created", JSON_HEADERS)
    answer = {"status": "confirmed", "bookingId": booking_id, "tickets": 1, **asked}
    return [json.dumps(answer, separators=(",", ":")).encode()]


def book(event_id: int, attendee_id: str) -> int | None:
    connection = _connection()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT capacity, confirmed FROM raw_event WHERE id = %s FOR UPDATE", (event_id,)
        )
        cursor.fetchone()
        cursor.execute(
            "SELECT id FROM raw_booking WHERE event_id = %s AND attendee_id = %s",
            (event_id, attendee_id),
        )
        if cursor.fetchone():
            connection.rollback()
            return None
        cursor.execute(
            "INSERT INTO raw_booking (event_id, attendee_id, tickets) VALUES (%s, %s, 1)",
            (event_id, attendee_id),
        )
        booking_id: int = cursor.lastrowid
        taken = cursor.execute(
            "UPDATE raw_event SET confirmed = confirmed + 1 WHERE id = %s AND confirmed < capacity",
            (event_id,),
        )
        if not taken:
            connection.rollback()
            return None
    connection.commit()
    return booking_id


def _connection() -> Any:
    if not hasattr(_thread, "connection"):
        port, database = int(os.environ["BENCH_PORT"]), os.environ["BENCH_DATABASE"]
        _thread.connection = connect(port, database)
    return _thread.connection
