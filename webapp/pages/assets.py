"""The copies that this server keeps of what browsers need of others."""

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from webapp.config import current_settings
from webapp.web.static_files import IMMUTABLE
from webapp.web.third_party import ASSETS, folder_of, kept_copy

bp = Blueprint("assets", __name__)

AN_HOUR = "public, max-age=3600"


@bp.get("/assets/<name>")
def copy(name: str) -> ResponseReturnValue:
    """A copy, if there is one with the right hash."""
    asset = ASSETS.get(name)
    content = asset and kept_copy(asset, folder_of(current_settings()))
    if asset is None or content is None:
        raise NotFound
    response = Response(content, content_type=asset.content_type)
    is_versioned = request.args.get("v") == asset.version
    response.headers["Cache-Control"] = IMMUTABLE if is_versioned else AN_HOUR
    response.set_etag(asset.version)
    return response.make_conditional(request)
