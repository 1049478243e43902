"""The door of one event, as a device with a door pass sees it: that, and nothing else."""

from flask import Blueprint

bp = Blueprint("door", __name__, url_prefix="/door")

# The views need `bp`, so they come after it.
from webapp.pages.door import page, scans, session  # noqa: E402

__all__ = ["bp", "page", "scans", "session"]
