"""A picture for an event where it matters only that it has one."""

from functools import cache
from io import BytesIO

import pytest
from PIL import Image

from webapp.booking.commands import Actor
from webapp.events import imaging, pictures
from webapp.events.imaging import ProcessedImage


@cache
def drawing() -> bytes:
    """A small file as organizers send it."""
    file = BytesIO()
    Image.new("RGB", (60, 40), "red").save(file, "PNG")
    return file.getvalue()


@cache
def _decoded() -> ProcessedImage:
    return imaging.process_image(drawing(), account_id=None)


def give_picture(event_id: int, *, actor: Actor, description: str = "") -> None:
    """Give an event the drawing. The process that decodes it starts for the first one alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "process_image", lambda data, *, account_id: _decoded())
        pictures.set_picture(event_id, drawing(), description=description, actor=actor)
