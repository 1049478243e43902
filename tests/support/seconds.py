"""How long the tests of each folder took, at the end of a run: where to look for time first."""

from collections import defaultdict
from pathlib import PurePosixPath

import pytest

# {folder: seconds}
_used: dict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Of each test's fixtures, body and tidying up, whichever process it ran in."""
    path, _, _ = report.nodeid.partition("::")
    _used[str(PurePosixPath(path).parent)] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _used:
        terminalreporter.section("seconds by folder, of all processes together")
    for folder, used in sorted(_used.items(), key=lambda item: -item[1]):
        terminalreporter.line(f"{folder:<22}{used:>6.0f}")
