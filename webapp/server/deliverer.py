"""The process that delivers: started and watched over by the server, or `flask deliver` alone."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from threading import Event, Thread

from webapp.config import ROOT, current_settings
from webapp.mail.worker import deliver
from webapp.server.fetching import fetch_in_background

# A deliverer that dies is started again, later and later while it keeps dying.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 60.0
LIVED_WELL_SECONDS = 60.0
# Enough for the mail in hand. If the mail server hangs, that mail is sent after the next start.
STOP_SECONDS = 5.0
# Beside the server it gives way to those who book; alone it has the machine.
NICENESS = 5
PR_SET_PDEATHSIG = 1


class DelivererSupervisor:
    """Keeps a deliverer running in a process of its own."""

    def __init__(self) -> None:
        self._stopping = Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Returns at once."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Stop the deliverer; harmless when it was never started."""
        self._stopping.set()
        if self._thread.ident is None:
            return
        for end in (subprocess.Popen.terminate, subprocess.Popen.kill):
            if self._process is not None:
                end(self._process)
            self._thread.join(STOP_SECONDS)

    def _keep(self) -> None:
        # The kernel takes the end of this thread for the parent's: it lasts as long as its child.
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "webapp.server.deliverer", str(os.getpid())],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                # Ctrl-C reaches the parent alone, which then stops the deliverer.
                process_group=0,
            )
            if self._stopping.is_set():
                self._process.terminate()
            self._process.wait()
            if time.monotonic() - started > LIVED_WELL_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def end_with_parent(parent: int) -> None:
    """Have the kernel stop this process when its parent is gone, however that ended."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    """What the server starts; the argument is the id of its process."""
    end_with_parent(int(sys.argv[1]))
    os.nice(NICENESS)
    from wsgi import app

    with app.app_context():
        fetch_in_background(current_settings())
        deliver()


if __name__ == "__main__":
    main()
