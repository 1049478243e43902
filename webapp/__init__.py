"""Nextup: event tickets with a fair waiting list. `create_app` puts the parts together."""

import os

from flask import Flask

from webapp import api, cli, logs
from webapp.config import ROOT, Settings, SettingsError, load_settings
from webapp.extensions import migrate
from webapp.pages import (
    account,
    assets,
    attendee,
    auth,
    corrections,
    door,
    feeds,
    find,
    forms,
    keep,
    language,
    links,
    organizer,
    pictures,
    presentation,
    sharing,
    site,
    unsubscribe,
)
from webapp.storage import engines
from webapp.web import (
    bodies,
    error_responses,
    health,
    htmx,
    ids,
    kept_pages,
    proxies,
    rate_limits,
    security,
)
from webapp.web.fast_flask import FastFlask
from webapp.web.fast_sessions import LazyCSRFProtect


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
        MAX_CONTENT_LENGTH=bodies.LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=bodies.LARGEST_BODY,
        MAX_FORM_PARTS=100,
        WTF_CSRF_TIME_LIMIT=None,
    )
    bodies.init_app(app)
    proxies.init_app(app)
    engines.configure(app, settings)
    migrate.init_app(app, directory=str(ROOT / "migrations"))
    csrf = LazyCSRFProtect(app)
    shared = (logs, error_responses, security, rate_limits, ids, htmx, health, cli)
    for part in (*shared, kept_pages, presentation, pictures, sharing, site, forms, language):
        part.init_app(app)
    private = (attendee, corrections, keep, links, pictures, find, auth, account, organizer, door)
    public = (unsubscribe, language, assets, feeds, sharing, site)
    for blueprint in (*(part.bp for part in (*private, *public)), api.bp):
        app.register_blueprint(blueprint)
    for blueprint in (unsubscribe.bp, language.bp, door.bp, api.bp):
        csrf.exempt(blueprint)
    return app
