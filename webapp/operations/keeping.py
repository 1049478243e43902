"""Whether bookings are kept: the rules hold, and there is a backup. For the operator's eyes."""

from datetime import timedelta

from sqlalchemy import select

from webapp import clock
from webapp.operations.backup import last_backup
from webapp.operations.findings import Finding, fix, note, ok
from webapp.storage.tables import bookings, events
from webapp.storage.transaction import read
from webapp.verify.services import verify_quickly

# Each night, and some hours for who looks in the morning.
BACKUP_EVERY = timedelta(hours=36)
RULES_SECONDS = 2.0


def check_backup() -> list[Finding]:
    """There is a backup of last night, once there is something to lose."""
    made = last_backup()
    if made is None:
        lacks = fix if _has_bookings() else note
        return [
            lacks(
                "There is no backup yet. Have one made each night, by:"
                " flask --app wsgi backup FOLDER --keep 7"
            )
        ]
    moment = f"{made:%Y-%m-%d %H:%M}"
    if clock.now() - made > BACKUP_EVERY:
        return [
            fix(
                "The last backup was made on %(moment)s UTC: see why last night's was not, or"
                " enter: flask --app wsgi backup FOLDER",
                moment=moment,
            )
        ]
    return [ok("The last backup was made on %(moment)s UTC.", moment=moment)]


def _has_bookings() -> bool:
    """Whether anybody has booked an event that is no sample."""
    booked = (
        select(bookings.c.event_id)
        .join(events, events.c.id == bookings.c.event_id)
        .where(events.c.is_sample.is_(False))
        .limit(1)
    )
    return read(lambda connection: connection.execute(booked).first()) is not None


def check_rules() -> list[Finding]:
    """The rules of tickets and waiting list hold, as far as can be seen in a moment."""
    report = verify_quickly(RULES_SECONDS)
    if report.broken:
        return [
            fix(
                "The rule “%(rule)s” is broken by %(count)s rows: enter flask --app wsgi verify,"
                " and keep the backups that there are.",
                rule=broken.rule,
                count=broken.count,
            )
            for broken in report.broken
        ]
    return [
        ok(
            "%(count)s rules of tickets and waiting list hold; flask --app wsgi verify tries all.",
            count=report.rules,
        )
    ]
