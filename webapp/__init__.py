"""Nextup: event tickets with a fair waiting list. `create_app` puts the parts together."""

import os
from collections.abc import Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import Flask, Response
from flask.templating import Environment
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp import api, cli, database, errors, health, htmx, logs, security
from webapp.config import ROOT, Settings, SettingsError, load_settings
from webapp.extensions import csrf, limiter, migrate
from webapp.pages import (
    attendee,
    auth,
    find,
    forms,
    organizer,
    pictures,
    presentation,
    unsubscribe,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# No form of ours is near it but the one for pictures, which has its own limit; what is larger is
# refused before it is read.
LARGEST_BODY = 256 * 1024
ADDRESSES = 4096
LONGEST_KEPT = 64


class Whole(Response):
    """A response whose body is handed over as a list where it is all there.

    Granian sends a list at once, and anything else bit by bit, waking its own threads for each.
    """

    def get_app_iter(self, environ: "WSGIEnvironment") -> Iterable[bytes]:
        chunks = super().get_app_iter(environ)
        if not self.is_sequence:
            return chunks
        try:
            return [b"".join(chunks)]
        finally:
            self.close()


class Templates(Environment):
    """Templates that have no globals of their own, so that all share one plain dictionary.

    In place of a chain of two, which each page and each import of a macro would walk name by name:
    a tenth of the work of a page.
    """

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return super().make_globals(d) if d else self.globals


class Nextup(Flask):
    """A Flask application whose functions are all synchronous."""

    response_class = Whole
    jinja_environment = Templates

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._address = lru_cache(ADDRESSES)(super().url_for)

    def url_for(self, endpoint: str, **values: Any) -> str:
        """The address of a view. A page asks for a dozen, and mostly for the same ones.

        What is long is a stranger's invention, and is not kept.
        """
        if any(isinstance(value, str) and len(value) > LONGEST_KEPT for value in values.values()):
            return super().url_for(endpoint, **values)
        return self._address(endpoint, **values)

    def send_static_file(self, filename: str) -> Response:
        """A file of static/. Raises `NotFound`."""
        return presentation.keep_static_file(super().send_static_file(filename), filename)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Leave out a look for coroutines that is a twenty-fifth of the work around a request."""
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application. It writes nothing and starts no thread.

    Raises `SettingsError` when a setting is wrong, or when there is no secret key to serve with.
    """
    settings = settings or load_settings()
    if settings.secret_key is None and "FLASK_RUN_FROM_CLI" not in os.environ:
        raise SettingsError(
            "SECRET_KEY: is not set; set it, or start with bin/run, which makes one"
        )
    app = Nextup(
        __name__,
        template_folder=ROOT / "templates",
        static_folder=ROOT / "static",
        instance_path=settings.instance_path,
    )
    app.extensions["settings"] = settings
    app.config.from_mapping(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        MAX_FORM_PARTS=100,
        RATELIMIT_STORAGE_URI=settings.ratelimit_storage_uri,
        RATELIMIT_ENABLED=settings.ratelimit_enabled,
        WTF_CSRF_TIME_LIMIT=None,
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    database.configure(app, settings)
    migrate.init_app(app, directory=str(ROOT / "migrations"))
    # The limits of pages stand on their views and the API counts for itself. Told that it has
    # been attached before, the extension leaves out its work around every single request.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    csrf.init_app(app)
    for part in (logs, errors, security, htmx, presentation, pictures, forms, health, cli):
        part.init_app(app)
    pages = (attendee.bp, pictures.bp, find.bp, auth.bp, organizer.bp, unsubscribe.bp)
    for blueprint in (*pages, api.bp):
        app.register_blueprint(blueprint)
    for blueprint in (unsubscribe.bp, api.bp):
        csrf.exempt(blueprint)
    return app
