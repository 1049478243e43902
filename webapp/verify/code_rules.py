"""References and ticket codes that were replaced: all are kept, none is its booking's again.

SQLite has no SHA-256 of its own, so the hashes are held against the codes here.
"""

from sqlalchemy import Connection, and_, case, func, literal, or_, select, union_all

from webapp.booking.codes import REFERENCE, TICKET_CODE, code_hash
from webapp.booking.commands import ActivityKind
from webapp.storage.tables import activities, bookings, old_codes
from webapp.verify.checks import Broken, Check, single_rule, stream

RULES = {"replaced codes are void": "a code that was replaced is not its booking's again"}


def void_codes(connection: Connection) -> list[Broken]:
    """The rule, if it does not hold."""
    query = select(
        *(old_codes.c[name] for name in ("event_id", "position", "kind", "code_hash")),
        *(bookings.c[name] for name in ("reference", "ticket_code")),
    ).join(
        bookings,
        and_(
            bookings.c.event_id == old_codes.c.event_id,
            bookings.c.position == old_codes.c.position,
        ),
    )
    [(name, says)] = RULES.items()
    broken = Broken(name, says)
    for event, position, kind, old, *current in stream(connection, query):
        if old in map(code_hash, current):
            broken.note({"event": event, "position": position, "kind": kind})
    return [broken] if broken.count else []


def replacements() -> Check:
    """How often the link of a booking was replaced, by its history and by the old codes.

    Whoever gives a ticket away replaces it, too.
    """
    lines = select(
        activities.c.event_id, activities.c.position, literal(1).label("told"),
        literal(0).label("references"), literal(0).label("codes"),
    ).where(activities.c.what.in_(("replaced", ActivityKind.GIVEN)))  # fmt: skip
    kept = select(
        old_codes.c.event_id, old_codes.c.position, literal(0),
        case((old_codes.c.kind == REFERENCE, 1), else_=0),
        case((old_codes.c.kind == TICKET_CODE, 1), else_=0),
    )  # fmt: skip
    each = union_all(lines, kept).subquery("each")
    told, references, codes = (func.sum(each.c[name]) for name in ("told", "references", "codes"))
    found = (
        select(
            each.c.event_id,
            each.c.position,
            told.label("told"),
            references.label("references"),
            codes.label("codes"),
        )
        .group_by(each.c.event_id, each.c.position)
        .subquery("found")
    )
    return single_rule(
        "replaced codes are kept",
        "each replaced link and each gift keeps the hash of a reference and of a ticket code",
        or_(found.c.told != found.c.references, found.c.told != found.c.codes),
        found,
        {
            "event": found.c.event_id,
            "position": found.c.position,
            "told": found.c.told,
            "references": found.c.references,
            "codes": found.c.codes,
        },
    )


def gifts() -> Check:
    """How often a ticket was given to somebody else, by its history and by its row."""
    lines = select(
        activities.c.event_id,
        activities.c.position,
        literal(1).label("told"),
        literal(0).label("counted"),
    ).where(activities.c.what == ActivityKind.GIVEN)
    rows = select(
        bookings.c.event_id, bookings.c.position, literal(0), bookings.c.times_given
    ).where(bookings.c.times_given.is_not(None))
    each = union_all(lines, rows).subquery("each")
    told, counted = (func.sum(each.c[name]) for name in ("told", "counted"))
    found = (
        select(each.c.event_id, each.c.position, told.label("told"), counted.label("counted"))
        .group_by(each.c.event_id, each.c.position)
        .subquery("found")
    )
    return single_rule(
        "gifts are counted",
        "a booking counts each time its ticket was given to somebody else",
        found.c.told != found.c.counted,
        found,
        {
            "event": found.c.event_id,
            "position": found.c.position,
            "told": found.c.told,
            "counted": found.c.counted,
        },
    )
