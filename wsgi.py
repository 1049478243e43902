"""What a WSGI server and the `flask` command load."""

import sys

from webapp import create_app
from webapp.config import SettingsError

try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"nextup: {error}")
