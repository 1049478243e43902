"""What a WSGI server and the `flask` command load."""

import os
import sys

from webapp import create_app
from webapp.config import SettingsError

# What is written is for nobody else on the machine.
os.umask(0o077)
try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"nextup: {error}")
