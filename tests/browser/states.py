"""The pages of a site, each in each of its states."""

from typing import NamedTuple

from tests.browser.conftest import Site

SECTIONS = ("account", "password", "mails", "sign-ins", "tokens", "site")
PAGES_OF_EVENT = ("edit", "cancel", "door", "history", "picture", "mails")
DESCRIPTION = "# Food\n\nBring *a fork*, see [the map](https://example.org/m).\n\n> Soup\n\n- stew"


class AttendeesPages(NamedTuple):
    """The paths, and what some of them show: an open event and two bookings by reference."""

    paths: list[str]
    messages: str
    free: int
    ticket: str
    waiting: str


def attendees_pages(site: Site, name: str) -> AttendeesPages:
    """Make events and bookings in every state; their names end with `name`."""
    when = {"startsAt": "2031-07-01T19:30", "endsAt": "2031-07-01T22:00", "location": "Barn"}
    free = site.make_event(f"Free {name}", 500, description=DESCRIPTION, **when)
    full = site.make_event(f"Full {name}", 3, **when)
    alone = site.make_event(f"Alone {name}", 1, waitingListLimit=0)
    site.book(alone, "first")
    later = site.make_event(f"Later {name}", 1, **{**when, "salesOpenAt": "2031-06-01T10:00"})
    started = site.make_event(f"Started {name}", 1, **when)
    inside, outside = site.book(started, "first"), site.book(started, "second")
    site.change_event(started, startsAt="2021-07-01T19:30", endsAt=None)
    called_off = site.make_event(f"Called off {name}", 1, **when)
    lost = site.book(called_off, "first")
    site.cancel_event(called_off)
    email = f"first-{full}@example.org"
    ticket = site.book(full, "first", tickets=3, email=email)
    messages = site.path_of_messages(full, 1, email)
    waiting = site.book(full, "second", tickets=2)
    gone = site.book(free, "third")
    site.cancel(gone)
    paths = [
        *("/", "/?search=nothing-is-called-so", "/login", "/login/lost"),
        *("/bookings", "/nowhere"),
        *(f"/events/{one}" for one in (free, full, alone, later, started, called_off)),
        *(f"/bookings/{one}" for one in (ticket, waiting, gone, inside, outside, lost)),
        *("/bookings/cut-off", messages),
        *(f"/bookings/{one}/cancel" for one in (ticket, waiting)),
        *(f"/bookings/{one}/keep" for one in (ticket, gone)),
        f"/events/{free}/asked",
    ]
    return AttendeesPages(paths, messages, free, ticket, waiting)


def organizers_pages(site: Site, name: str) -> tuple[int, list[str]]:
    """Make events of an organizer in every state; one with bookings, and the paths."""
    event = site.make_event(f"Desk {name}", 2, location="Barn", description=DESCRIPTION)
    empty = site.make_event(f"Empty {name}", 2)
    draft = site.make_event(f"Draft {name}", 2, status="draft")
    for number in range(4):
        site.book(event, f"guest {number}")
    site.cancel(site.book(event, "gone"))
    return event, [
        *("/organizer", "/organizer/events/new", f"/organizer/events/new?like={event}"),
        *("/api/docs", "/organizer/events/999999999"),
        *(f"/organizer/settings/{one}" for one in SECTIONS),
        *(f"/organizer/events/{one}" for one in (event, empty, draft)),
        f"/organizer/events/{event}?search=nobody-is-called-so",
        *(f"/organizer/events/{event}/{one}" for one in PAGES_OF_EVENT),
        *(f"/organizer/events/{event}/bookings/{one}" for one in ("new", 1, 3, 5, "3/cancel")),
    ]
