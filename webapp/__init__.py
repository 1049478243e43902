"""Nextup: event tickets with a fair waiting list. `create_app` puts the parts together."""

import os
from collections.abc import Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, has_request_context
from flask.globals import request_ctx
from flask.templating import Environment
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp import api, budgets, cli, database, errors, health, htmx, logs, security
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


def may_be_kept(name: str, value: object) -> bool:
    """Whether an argument of `url_for` says all it does by itself, and is short."""
    if value is None:
        return True
    is_short = isinstance(value, str | int) and len(str(value)) <= LONGEST_KEPT
    return is_short and not name.startswith("_")


class Nextup(Flask):
    """A Flask application whose functions are all synchronous."""

    response_class = Whole
    jinja_environment = Templates

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._path = lru_cache(ADDRESSES, typed=True)(self._build_path)

    def url_for(self, /, endpoint: str, **values: Any) -> str:
        """The address of a view; what has been asked before is remembered.

        Without that an event page takes a tenth longer. A path is remembered where it follows from
        the arguments and from how the application is mounted. What looks further at the request (a
        relative endpoint, `_external`) is left to Flask, and so is what strangers make up as they
        like (long values, methods).
        """
        mount = request_ctx.url_adapter if has_request_context() else None
        if (
            mount is None
            or mount.default_method not in ("GET", "POST")
            or endpoint.startswith(".")
            or self.url_default_functions
            or not all(map(may_be_kept, values, values.values()))
        ):
            return super().url_for(endpoint, **values)
        return self._path(mount.script_name, mount.default_method, endpoint, **values)

    def _build_path(self, script_name: str, method: str, endpoint: str, /, **values: Any) -> str:
        adapter = self.url_map.bind("", script_name, default_method=method)
        return adapter.build(endpoint, values)

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
    for part in (budgets, logs, errors, security, htmx, presentation, pictures, forms, health, cli):
        part.init_app(app)
    pages = (attendee.bp, pictures.bp, find.bp, auth.bp, organizer.bp, unsubscribe.bp)
    for blueprint in (*pages, api.bp):
        app.register_blueprint(blueprint)
    for blueprint in (unsubscribe.bp, api.bp):
        csrf.exempt(blueprint)
    return app
