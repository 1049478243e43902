"""Pictures that are made to do harm, and what becomes of those of others meanwhile."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.pages.test_pictures import drawn
from tests.support import hostile_pictures
from tests.support.servers import ROOT, alive, children_of, wait_until
from webapp.errors import DomainError, Unavailable
from webapp.events import imaging

MEGABYTE = 1024 * 1024
# Prints for each file what is told of it, and the most that any decoder has taken until then.
MEASURE = """
import json, resource, sys
from webapp.errors import InvalidInput
from webapp.events import imaging
imaging.SECONDS = 60
for path in sys.argv[1:]:
    imaging.CPU_SECONDS = 1 if path.endswith(".jpg") else 30
    try:
        imaging.process_image(open(path, "rb").read(), account_id=1)
    except InvalidInput as error:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = used.ru_utime + used.ru_stime
        print(json.dumps([error.problems["picture"].code, seconds, used.ru_maxrss * 1024]))
"""


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a picture that takes most of a minute, and more with more scans."""
    path = tmp_path_factory.mktemp("pictures") / "endless.jpg"
    path.write_bytes(hostile_pictures.endless_jpeg())
    return path


@pytest.fixture
def slow(endless: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Thread]:
    """Account 1 sends such a picture; the thread ends with it."""
    monkeypatch.setattr(imaging, "CPU_SECONDS", 60)
    monkeypatch.setattr(imaging, "SECONDS", 60)
    thread = Thread(target=refusal, args=(endless.read_bytes(),))
    thread.start()
    assert wait_until(lambda: len(decoders(os.getpid())) == 1, timeout=20)
    yield thread
    for pid in decoders(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    thread.join()


def decoders(parent: int) -> list[int]:
    """The processes that decode pictures for the parent, running or not yet waited for."""
    found = []
    for pid in children_of(parent):
        with contextlib.suppress(FileNotFoundError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if not command or str(imaging.DECODER).encode() in command:
                found.append(pid)
    return found


def refusal(data: bytes, account_id: int = 1) -> str:
    """What is wrong with the picture."""
    try:
        imaging.process_image(data, account_id=account_id)
    except DomainError as error:
        return error.problems[imaging.FIELD].code
    return ""


def test_hostile_file_takes_neither_a_minute_nor_a_gigabyte(endless: Path, tmp_path: Path) -> None:
    webp, png = tmp_path / "wide.webp", tmp_path / "wide.png"
    webp.write_bytes(hostile_pictures.WIDE_WEBP)
    png.write_bytes(hostile_pictures.wide_png())
    assert [path.stat().st_size for path in (webp, png, endless)] == [40, 6065, 109_329]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, webp, endless, png],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    codes, seconds, sizes = zip(*told, strict=True)
    assert codes == ("too_many_pixels", "picture_too_demanding", "picture_too_demanding")
    assert seconds[1] - seconds[0] < 1.5
    assert sizes[0] < 120 * MEGABYTE
    assert sizes[2] < imaging.MEMORY


def test_one_upload_does_not_wait_for_another(
    slow: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    assert refusal(drawn(), account_id=2) == ""
    assert time.monotonic() - began < imaging.PATIENCE_SECONDS
    # Whose own is not done yet waits, but not for ever.
    monkeypatch.setattr(imaging, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(Unavailable):
        imaging.process_image(drawn(), account_id=1)
    assert slow.is_alive()


BROKEN = {
    "crash": ("os.kill(os.getpid(), signal.SIGSEGV)", "no_picture"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "picture_too_demanding"),
    "out of time": ("os.kill(os.getpid(), signal.SIGXCPU)", "picture_too_demanding"),
    "hangs": ("time.sleep(60)", "pictures_busy"),
    "silent": ("pass", "no_picture"),
    "garbage": ("sys.stdout.write('\\0' * 10_000_000)", "no_picture"),
    "number": ("print(7)", "no_picture"),
    "another problem": ('print(\'{"problem": "script", "limit": 0}\')', "no_picture"),
    "half": (
        'print(\'{"width": 9, "height": 9, "large": 40, "small": 40}\\n\' + \'x\' * 40)',
        "no_picture",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_decoder_that_breaks_gives_nothing_and_stays_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    does, told = BROKEN[name]
    program = tmp_path / "decoder.py"
    program.write_text(f"import os, signal, sys, time\n{does}\n")
    monkeypatch.setattr(imaging, "DECODER", program)
    monkeypatch.setattr(imaging, "SECONDS", 0.5 if name == "hangs" else 20)
    assert refusal(drawn()) == told
    assert decoders(os.getpid()) == []
    assert imaging._at_work == set()


@pytest.mark.parametrize("then", ["os.abort()", "answer({}, bytes(LARGEST_OUTPUT))"])
def test_good_answer_of_a_decoder_that_then_breaks_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, then: str
) -> None:
    program = tmp_path / "decoder.py"
    program.write_text(f"{imaging.DECODER.read_text()}    {then}\n")
    monkeypatch.setattr(imaging, "DECODER", program)
    assert refusal(drawn()) == "no_picture"
    # That it may not write so much is its own end.
    assert "a picture broke its decoder: exit status " in caplog.text
    assert "exit status 0" not in caplog.text


def test_decoder_knows_no_secret_and_ends_with_its_worker(endless: Path) -> None:
    change = "imaging.CPU_SECONDS = imaging.SECONDS = 60"
    read = "open(sys.argv[1], 'rb').read()"
    program = (
        f"import sys; from webapp.events import imaging; {change};"
        f" imaging.process_image({read}, account_id=1)"
    )
    environ = {**os.environ, "SECRET_KEY": "a key that only tests use"}
    worker = subprocess.Popen(
        [sys.executable, "-c", program, endless], cwd=ROOT, env=environ, stderr=subprocess.DEVNULL
    )
    try:
        assert wait_until(lambda: len(decoders(worker.pid)) == 1, timeout=20)
        [pid] = decoders(worker.pid)
        # It is beyond the look at who has started it.
        limit = b"Max cpu time              60 "
        assert wait_until(lambda: limit in Path(f"/proc/{pid}/limits").read_bytes(), timeout=20)
        assert b"SECRET_KEY" not in Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        worker.kill()
        worker.wait()
    assert wait_until(lambda: not alive(pid), timeout=5)
