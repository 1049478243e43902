"""The tabs of an event that only show: how to share it, and what is set."""

from flask import g
from flask.typing import ResponseReturnValue

from webapp import clock
from webapp.booking.inventory import is_over
from webapp.door.attendance import figures_of
from webapp.events.sales import sales_of
from webapp.pages.chart import chart_of
from webapp.pages.organizer import bp, me
from webapp.pages.organizer.events import EVENT
from webapp.web.htmx import show


@bp.get(f"{EVENT}/share")
def share(event_id: int) -> ResponseReturnValue:
    """The link of an event, to give away."""
    return show("organizer/share.html", event=g.event)


@bp.get(f"{EVENT}/details")
def details(event_id: int) -> ResponseReturnValue:
    """What is set for an event, and how its bookings came in."""
    return show(
        "organizer/details.html",
        event=g.event,
        figures=figures_of(g.event, actor=me()) if is_over(g.event, clock.now()) else None,
        draw_sales=lambda: chart_of(sales_of(g.event, actor=me())),
    )
