"""What an organizer can have checked of the site: is it reached, do mails leave."""

from collections.abc import Sequence

from flask.typing import ResponseReturnValue

from webapp.operations.doctor import Finding, State, look_for_organizer
from webapp.pages.forms import form_on
from webapp.pages.organizer import bp
from webapp.pages.organizer.settings import me_as_caller
from webapp.web.htmx import show
from webapp.web.language import language
from webapp.web.rate_limits import CHECKS_OF_SITE, limited


@bp.get("/settings/checks")
def checks() -> ResponseReturnValue:
    """What is checked, and the button; nothing is checked before it is pressed."""
    return _show(None)


@bp.post("/settings/checks")
@limited(CHECKS_OF_SITE, caller=me_as_caller)
@form_on("organizer.checks")
def run_checks() -> ResponseReturnValue:
    """Check now, and show what was found; it waits for other machines, at most 20 seconds."""
    found, has_more = look_for_organizer()
    return _show(found, has_more=has_more)


def _show(found: Sequence[Finding] | None, *, has_more: bool = False) -> ResponseReturnValue:
    # What is to be mended comes first.
    ordered = sorted(
        found or (), key=lambda one: (State.FIX, State.NOTE, State.OK).index(one.state)
    )
    return show(
        "organizer/settings/checks.html",
        lines=None if found is None else [(one.state, one.said_in(language())) for one in ordered],
        count=sum(one.state is State.FIX for one in found or ()),
        has_more=has_more,
    )
