"""Nextup: event tickets with a fair waiting list. `create_app` puts the parts together."""

import os

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp import api, cli, logs
from webapp.config import ROOT, Settings, SettingsError, load_settings
from webapp.extensions import migrate
from webapp.pages import (
    account,
    attendee,
    auth,
    find,
    forms,
    keep,
    language,
    links,
    organizer,
    pictures,
    presentation,
    unsubscribe,
)
from webapp.storage import engines
from webapp.web import error_responses, health, htmx, ids, rate_limits, security
from webapp.web.fast_flask import FastFlask, LazyCSRFProtect

# No form of ours is near it but the one for pictures, which has its own limit; what is larger is
# refused before it is read.
LARGEST_BODY = 256 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application. It writes nothing and starts no thread.

    Raises `SettingsError` when a setting is wrong, or when there is no secret key to serve with.
    """
    settings = settings or load_settings()
    if settings.secret_key is None and "FLASK_RUN_FROM_CLI" not in os.environ:
        raise SettingsError(
            "SECRET_KEY: is not set; set it, or start with bin/run, which makes one"
        )
    app = FastFlask(
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
        WTF_CSRF_TIME_LIMIT=None,
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    engines.configure(app, settings)
    migrate.init_app(app, directory=str(ROOT / "migrations"))
    csrf = LazyCSRFProtect(app)
    shared = (logs, error_responses, security, rate_limits, ids, htmx, health, cli)
    for part in (*shared, presentation, pictures, forms, language):
        part.init_app(app)
    pages = (attendee, keep, links, pictures, find, auth, account, organizer, unsubscribe, language)
    for blueprint in (*(part.bp for part in pages), api.bp):
        app.register_blueprint(blueprint)
    for blueprint in (unsubscribe.bp, language.bp, api.bp):
        csrf.exempt(blueprint)
    return app
