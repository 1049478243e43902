"""An application that one test after the other uses, each as if it had just been made."""

import logging
from pathlib import Path

from flask import Flask

from webapp import logs
from webapp.accounts import contacts
from webapp.booking import ranks
from webapp.config import Settings
from webapp.events import pictures, running, sales
from webapp.web import rate_limits
from webapp.web.passwords import verified_logins


class SharedApp:
    """Flask itself refuses what would add to an application that has answered a request."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._config = dict(app.config)

    def begin_anew(self, settings: Settings) -> Flask:
        """The application with other settings, of which only what is read late may differ."""
        app = self._app
        app.config.clear()
        app.config.update(self._config)
        app.test_client_class = None
        app.instance_path = settings.instance_path
        app.extensions["settings"] = settings
        # The limiter and the log belong to the application that was made last.
        rate_limits.init_app(app)
        logs._output.turn_to(logs.LogFile(Path(settings.log_file)))
        logging.getLogger().setLevel(settings.log_level)
        return app


def forget() -> None:
    """Drop what the process remembers: between tests the tables are emptied and ids begin again."""
    ranks.forget()
    running.forget()
    contacts.forget()
    pictures.picture_data.cache_clear()
    sales._tallies.clear()
    verified_logins.clear()
