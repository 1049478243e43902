"""What browsers need of others is fetched once, checked, and kept whole or not at all."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from webapp.server import fetching
from webapp.web.third_party import ASSETS, Asset

CONTENT = b"a script of somebody else's"
OTHER = b"another script"


class Cdn(ThreadingHTTPServer):
    """Answers the next request with the next of `answers`: a body, or the status of an error."""

    def __init__(self, *answers: bytes | int) -> None:
        self.answers = list(answers)
        self.asked = 0
        super().__init__(("127.0.0.1", 0), Answer)
        Thread(target=self.serve_forever, daemon=True).start()

    def asset(self, content: bytes = CONTENT) -> Asset:
        digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
        return Asset("script.js", f"http://127.0.0.1:{self.server_port}/x.js", f"sha384-{digest}")


class Answer(BaseHTTPRequestHandler):
    server: Cdn

    def do_GET(self) -> None:
        self.server.asked += 1
        answer = self.server.answers.pop(0)
        if isinstance(answer, int):
            self.send_error(answer)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Pauses(Event):
    """Waits for nothing, and notes for how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return self.is_set()


@pytest.fixture
def cdn() -> Iterator[Callable[..., Cdn]]:
    made: list[Cdn] = []

    def make(*answers: bytes | int) -> Cdn:
        made.append(Cdn(*answers))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
        one.server_close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_fetched_once_and_only_we_can_read_it(
    cdn: Callable[..., Cdn], tmp_path: Path
) -> None:
    server, folder = cdn(CONTENT), tmp_path / "instance" / "assets"
    for _ in range(2):
        fetching.fetch_all([server.asset()], folder)
    assert server.asked == 1
    assert names(folder) == ["script.js"]
    assert (folder / "script.js").read_bytes() == CONTENT
    assert (folder / "script.js").stat().st_mode & 0o077 == 0


def test_copy_that_is_right_already_is_used_without_fetching(
    cdn: Callable[..., Cdn], tmp_path: Path
) -> None:
    server = cdn()
    (tmp_path / "script.js").write_bytes(CONTENT)
    fetching.fetch_all([server.asset()], tmp_path)
    assert server.asked == 0


def test_wrong_copy_is_replaced_and_what_comes_wrong_is_not_kept(
    cdn: Callable[..., Cdn], tmp_path: Path
) -> None:
    server, pauses = cdn(OTHER, 503, CONTENT), Pauses()
    (tmp_path / "script.js").write_bytes(b"cut o")
    fetch = partial(fetching.fetch_all, [server.asset()], tmp_path, stop=pauses)
    fetch(first_pause=1.0)
    assert server.asked == 3
    # It is tried again later and later.
    assert pauses.seconds == [1.0, 2.0]
    assert (tmp_path / "script.js").read_bytes() == CONTENT
    assert names(tmp_path) == ["script.js"]


def test_what_never_ends_and_what_cannot_be_written_leave_nothing_behind(
    cdn: Callable[..., Cdn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LARGEST_BYTES", len(CONTENT) - 1)
    assert not fetching._is_there_or_comes(cdn(CONTENT).asset(), tmp_path)
    assert names(tmp_path) == []
    monkeypatch.undo()
    (tmp_path / "assets").write_text("no folder")
    assert not fetching._is_there_or_comes(cdn(CONTENT).asset(), tmp_path / "assets")


def test_list_says_of_each_where_it_is_and_what_it_has_to_be() -> None:
    for name, asset in ASSETS.items():
        assert name == asset.name == Path(asset.url).name
        assert asset.url.startswith("https://")
        assert asset.integrity.startswith("sha384-")
        assert not asset.is_made_of(b"")
