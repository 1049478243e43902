"""What processes use, as Linux tells it: processor time and memory."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all of its threads; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # Counted from the process's state, which is field 3 of the manual.
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """The memory of a process that is in RAM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no memory is told of process {pid}")


@dataclass(slots=True)
class Watch:
    """How much of one processor each group of processes uses from its start to its end."""

    groups: Mapping[str, Iterable[int]]
    # How long it was, once it has ended.
    seconds: float = 0.0
    _started: float = 0.0
    _before: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._before = self._used()
        self._started = time.monotonic()

    def shares(self) -> dict[str, float]:
        """1.0 is one whole processor."""
        self.seconds = time.monotonic() - self._started
        return {
            name: (used - self._before[name]) / self.seconds for name, used in self._used().items()
        }

    def _used(self) -> dict[str, float]:
        return {name: sum(map(cpu_seconds, pids)) for name, pids in self.groups.items()}
