"""A site as `bin/run` starts it: the doctor has nothing to mend."""

import subprocess
import sys
from collections.abc import Callable

from tests.support.servers import ROOT, AppServer

# True of a trial, and said so.
HONEST = ("BASE_URL", "MAIL_URL", "There is no backup", "The clock is right")


def test_fresh_site_as_it_is_started_has_nothing_to_mend(
    start_server: Callable[..., AppServer],
) -> None:
    server = start_server()
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "doctor"],
        cwd=ROOT,
        env=dict(server.environment()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert {line[:6] for line in lines} <= {"ok    ", "note: "}
    notes = [line for line in lines if line.startswith("note: ")]
    assert all(line[6:].startswith(HONEST) for line in notes), notes
