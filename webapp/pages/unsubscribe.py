"""No more messages of an organizer: the page that the link of such a message leads to."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.mail import opting_out
from webapp.mail.opting_out import Reader, reader_of
from webapp.web.htmx import show

bp = Blueprint("unsubscribe", __name__)

# The token stands for a form's: mail programs send it by themselves (RFC 8058) and have no other.
MESSAGES = "/messages/<id:event_id>/<int(max=2147483647):position>/<token>"


@bp.get(MESSAGES)
def ask(event_id: int, position: int, token: str) -> ResponseReturnValue:
    """Ask before anything is done: scanners of mails follow links, too."""
    return _shown(reader_of(event_id, position, token), event_id, position, token)


@bp.post(MESSAGES)
def stop(event_id: int, position: int, token: str) -> ResponseReturnValue:
    """Send no more messages to the address that got this one."""
    reader = reader_of(event_id, position, token)
    opting_out.stop_messages(reader)
    return _shown(reader, event_id, position, token, is_done=True)


@bp.post(f"{MESSAGES}/again")
def resume(event_id: int, position: int, token: str) -> ResponseReturnValue:
    """Send messages to that address again."""
    reader = reader_of(event_id, position, token)
    opting_out.resume_messages(reader)
    return _shown(reader, event_id, position, token, is_done=True)


def _shown(
    reader: Reader, event_id: int, position: int, token: str, *, is_done: bool = False
) -> ResponseReturnValue:
    return show(
        "unsubscribe/ask.html",
        reader=reader,
        gets_messages=opting_out.gets_messages(reader),
        is_done=is_done,
        place={"event_id": event_id, "position": position, "token": token},
    )
