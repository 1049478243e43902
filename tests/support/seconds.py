"""What the tests of each folder may take, held against what they took at the end of a run."""

from collections import defaultdict
from pathlib import PurePosixPath

import pytest

# Seconds of all tests of a folder, added up, on two cores that both run some: in the normal tier,
# and with --long.
BUDGETS = {
    "tests": (60, 300),
    "tests/accounts": (20, 60),
    "tests/api": (60, 120),
    "tests/booking": (80, 400),
    "tests/browser": (240, 360),
    "tests/concurrency": (40, 200),
    "tests/door": (40, 150),
    "tests/events": (50, 130),
    "tests/mail": (140, 500),
    "tests/operations": (110, 500),
    "tests/pages": (65, 130),
    "tests/text": (15, 30),
    "tests/reliability": (200, 900),
    "tests/server": (110, 300),
    "tests/storage": (150, 400),
    "tests/verify": (30, 90),
    "tests/web": (15, 30),
}

_used: dict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Of each test's fixtures, body and tidying up, whichever process it ran in."""
    path, _, _ = report.nodeid.partition("::")
    _used[str(PurePosixPath(path).parent)] += report.duration


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not _used:
        return
    tier = "long" if config.getoption("--long") else "normal"
    terminalreporter.section(f"seconds by folder, {tier} tier")
    for folder, used in sorted(_used.items()):
        budget = BUDGETS.get(folder, (0, 0))[tier == "long"]
        over = used > budget
        line = f"{folder:<22}{used:>6.0f} of {budget:>4}{'  OVER BUDGET' if over else ''}"
        terminalreporter.line(line, red=over, bold=over)
