"""What the tests of each folder may take, held against what they took at the end of a run."""

from collections import defaultdict
from pathlib import PurePosixPath

import pytest

# Seconds of all tests of a folder, added up, on two cores that both run some: in the normal tier,
# and with --long.
BUDGETS = {
    "tests": (150, 300),
    "tests/api": (60, 120),
    "tests/browser": (120, 120),
    "tests/concurrency": (30, 120),
    "tests/delivery": (100, 400),
    "tests/pages": (60, 120),
    "tests/reliability": (180, 900),
    "tests/services": (120, 400),
    "tests/storage": (120, 240),
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
