"""The container without an engine: what the Dockerfile copies, its CMD, compose's settings."""

import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.pages.test_pictures import drawn, urls_on_text
from tests.server.test_pictures import log_in, send
from tests.server.test_server import book, make_event
from tests.support.servers import ROOT, AppServer, MariaDB, Redis

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()
# What has to be put into .env.
DOT_ENV = {"DB_PASSWORD": "a password", "ORGANIZER_PASSWORD": "a password for tests"}
# Makes two folders its own, all else read-only, and goes on without that right.
READ_ONLY = """
mount --bind "$1" "$1" && mount --bind "$2" "$2" && mount -o remount,bind,ro / && shift 2 &&
exec "$@"
"""


def instructions(name: str) -> list[str]:
    """What stands behind an instruction of the Dockerfile, each time it is given."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


def compose_environment() -> dict[str, str]:
    """The variables of the service `nextup`, filled in from DOT_ENV as compose does."""
    section = COMPOSE.partition("\n  nextup:\n")[2].partition("    environment:\n")[2]
    lines = re.findall(r"^      (\w+): (.+)$", section.partition("\n    volumes:")[0], re.MULTILINE)

    def fill(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        assert kind == "-" or name in DOT_ENV, f"{name}: {rest}"
        return DOT_ENV.get(name, rest)

    return {
        name: re.sub(r"\$\{(\w+):([-?])([^}]*)\}", fill, value).strip('"') for name, value in lines
    }


class Container(AppServer):
    """Nextup laid out as in its image, with a volume and a /tmp as the only places to write to."""

    def __init__(self, directory: Path, *, environ: Mapping[str, str]) -> None:
        super().__init__(directory / "image", environ=environ)
        self.log_path = directory / "output.log"
        self.instance_path = directory / "volume"
        self.temporary = directory / "tmp"
        for folder in (self.directory, self.instance_path, self.temporary):
            folder.mkdir(parents=True)
        for names in instructions("COPY"):
            *sources, target = names.split()
            for source in sources:
                self._copy(ROOT / source, self.directory / target)
        for path in [self.directory, *self.directory.rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    def remove(self) -> None:
        """Undo what would keep the folder from being removed."""
        for path in [self.directory, *self.directory.rglob("*")]:
            path.chmod(path.stat().st_mode | stat.S_IWUSR)

    def command(self) -> Sequence[str]:
        [text] = [text for text in instructions("CMD") if "healthz" not in text]
        program, *arguments = json.loads(text)
        assert program == "python"
        # As with no-new-privileges and cap_drop: without rights not even root writes everywhere.
        rights = ["setpriv", "--no-new-privs"]
        if os.geteuid() == 0:
            rights += ["--bounding-set=-all", "--inh-caps=-all"]
        return [*self.read_only(), *rights, sys.executable, *arguments]

    def read_only(self) -> list[str]:
        """What makes the file system read-only, where the tests may do so."""
        command = ["unshare", "--mount", "sh", "-c", READ_ONLY, "-"]
        command += [str(self.instance_path), str(self.temporary)]
        done = subprocess.run([*command, "true"], capture_output=True, check=False)
        return command if done.returncode == 0 else []

    def environment(self) -> Mapping[str, str]:
        image = dict(pair.split("=", 1) for line in instructions("ENV") for pair in line.split())
        here = {
            "PATH": os.environ.get("PATH", os.defpath),
            "INSTANCE_PATH": str(self.instance_path),
            "TMPDIR": str(self.temporary),
            "PORT": str(self.port),
        }
        assert here.keys() & image.keys() == {"INSTANCE_PATH"}
        return {**image, **here, **self.environ}


def test_image_serves_with_the_settings_of_compose(
    mariadb_server: MariaDB, redis_server: Redis, disk_folder: Path
) -> None:
    mariadb_server.create_database("container")
    mariadb_server.execute("DROP USER IF EXISTS nextup@'127.0.0.1'")
    mariadb_server.execute(
        f"CREATE USER nextup@'127.0.0.1' IDENTIFIED BY '{DOT_ENV['DB_PASSWORD']}'"
    )
    mariadb_server.execute("GRANT ALL ON container.* TO nextup@'127.0.0.1'")
    settings = compose_environment()
    assert (settings["DB_HOST"], settings["DB_USER"]) == ("mariadb", "nextup")
    elsewhere = {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(mariadb_server.port),
        "DB_NAME": "container",
        "RATELIMIT_STORAGE_URI": redis_server.url,
    }
    assert settings["RATELIMIT_STORAGE_URI"] == "redis://redis:6379"
    container = Container(disk_folder / "container", environ={**settings, **elsewhere})
    before = sorted(container.directory.rglob("*"))
    try:
        container.start()
        login = (settings["ORGANIZER_USERNAME"], settings["ORGANIZER_PASSWORD"])
        event_id = make_event(container, login=login)
        assert book(container, event_id, 1).json()["status"] == "confirmed"
        # Larger than what is kept in memory while it arrives.
        large = drawn((1500, 1000), "PNG", compress_level=0)
        with httpx.Client(base_url=container.url, timeout=30) as client:
            log_in(client, *login)
            path = f"/organizer/events/{event_id}/picture"
            assert send(client, path, large).status_code == 303
            *_, shown = urls_on_text(client.get(path).text)
            assert client.get(shown).status_code == 200
            assert client.get("/static/nextup.css").status_code == 200
        with urllib.request.urlopen(f"{container.url}/readyz") as answer:
            assert json.load(answer)["status"] == "ok"
        assert container.stop() == 0
        assert sorted(container.directory.rglob("*")) == before
        assert "Traceback" not in container.output()
        assert {path.name for path in container.instance_path.iterdir()} >= {"log", "secret_key"}
    finally:
        with contextlib.suppress(ProcessLookupError):
            container.kill()
        container.remove()


def test_compose_leaves_no_service_more_than_it_needs() -> None:
    services = re.split(r"\n  (?=\w+:\n)", COMPOSE.partition("\nservices:")[2])[1:4]
    assert [service.partition(":")[0] for service in services] == ["nextup", "mariadb", "redis"]
    for service in services:
        for line in (
            "read_only: true",
            "cap_drop: [ALL]",
            'security_opt: ["no-new-privileges:true"]',
            "mem_limit: ",
        ):
            assert f"\n    {line}" in service, line
    assert DOCKERFILE.index("\nUSER nextup") < DOCKERFILE.index("\nCMD")
