"""Ids in addresses: `<id:event_id>` in a route takes what a row can have."""

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

from webapp.storage.columns import MAX_ID


class IdConverter(IntegerConverter):
    def __init__(self, map: Map) -> None:
        super().__init__(map, max=MAX_ID)


def init_app(app: Flask) -> None:
    """It has to be there before the routes are."""
    app.url_map.converters["id"] = IdConverter
