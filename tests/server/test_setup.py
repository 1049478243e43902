"""Which Python `bin/setup.sh` takes: made-up ones on a PATH that holds nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import ROOT

TOOLS = (
    *("bash", "cat", "cp", "cut", "dirname", "flock", "getent", "id", "mkdir"),
    *("readlink", "rm", "sha256sum", "touch"),
)
# Answers what setup.sh asks of a Python, and makes a .venv whose Python is itself.
PYTHON = """#!/bin/bash
case "$*" in
  *version_info*) exit {too_old} ;;
  *ensurepip*) exit {no_venv} ;;
  "-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  -V) echo "{name}" ;;
esac
"""


class Checkout:
    """A folder with `bin/setup.sh`, on a machine with the Pythons that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.root, self.path = folder / "nextup", folder / "path"
        (self.root / "bin").mkdir(parents=True)
        self.path.mkdir()
        shutil.copy(ROOT / "bin" / "setup.sh", self.root / "bin")
        for name in ("requirements.txt", "constraints.txt"):
            (self.root / name).touch()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.path / tool).symlink_to(found)

    def add(self, name: str, *, too_old: bool = False, no_venv: bool = False) -> None:
        script = self.path / name
        script.write_text(PYTHON.format(name=name, too_old=int(too_old), no_venv=int(no_venv)))
        script.chmod(0o755)

    def install(self) -> str:
        """The name of the Python in `.venv` afterwards, or why there is none."""
        command = ". bin/setup.sh && install_requirements requirements.txt && $python -V"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.root,
            env={"PATH": str(self.path), "HOME": str(self.root)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_newest_python_is_taken(checkout: Checkout) -> None:
    for name in ("python3", "python3.11", "python3.13", "python3.14"):
        checkout.add(name)
    assert checkout.install() == "python3.14"


def test_python_without_venv_or_too_old_is_passed_over(checkout: Checkout) -> None:
    checkout.add("python3.14", no_venv=True)
    checkout.add("python3.13", too_old=True)
    checkout.add("python3.12")
    checkout.add("python3", no_venv=True)
    assert checkout.install() == "python3.12"


def test_what_is_missing_is_said(checkout: Checkout) -> None:
    checkout.add("python3", too_old=True)
    assert "needs Python 3.11 or newer" in checkout.install()
    checkout.add("python3.13", no_venv=True)
    assert "venv module is missing for: python3.13" in checkout.install()
    checkout.add("python3")
    assert checkout.install() == "python3"


def test_venv_that_works_is_kept_when_a_newer_python_or_other_requirements_come(
    checkout: Checkout,
) -> None:
    checkout.add("python3.11")
    assert checkout.install() == "python3.11"
    checkout.add("python3.14")
    (checkout.root / "requirements.txt").write_text("Flask\n")
    assert checkout.install() == "python3.11"
    # Its Python has gone, as after an upgrade of the system.
    (checkout.root / ".venv" / "bin" / "python").unlink()
    assert checkout.install() == "python3.14"
