"""People who book by page: `visitors.book` starts several processes of them.

Each visitor is new: a connection and an address of their own, no cookies and no scripts. They read
the event page, send its form with what it holds (token, one-time key) and follow to the page of
their booking, which has to be theirs. A visit that ends there counts as 201, any other by the
status that ended it; one that is begun is finished.
"""

import json
import subprocess
import sys
from collections import Counter
from contextlib import suppress

from bench.visitor import BOOKED
from bench.wrk import Load, LoadFailed
from tests.support.servers import ROOT

PROCESSES = 4


def book(url: str, *, visitors: int, first_visitor: int, seconds: float) -> Load:
    """Have so many visitors at a time book an event, by the address of its page."""
    each = visitors // PROCESSES
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "bench.visitor", url),
                *map(str, (each, seconds, first_visitor + number * 100_000)),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        # One that failed says so at its end.
        with suppress(BrokenPipeError):
            process.stdin.write("\n")
            process.stdin.flush()
    times: list[float] = []
    statuses: Counter[str] = Counter()
    spans = []
    for process in processes:
        output, errors = process.communicate()
        if process.returncode:
            raise LoadFailed(f"visitors failed: {errors}"[:2000])
        told = json.loads(output)
        times += told["times"]
        statuses.update(told["statuses"])
        spans.append(told["seconds"])
    times.sort()
    many = statuses.total()

    def percentile(share: float) -> float:
        return times[min(many - 1, int(share * many))] * 1000 if times else 0.0

    return Load(
        sent=many,
        answered=many,
        seconds=max(spans),
        p50=percentile(0.5),
        p90=percentile(0.9),
        p99=percentile(0.99),
        slowest=percentile(1),
        statuses=dict(statuses),
        confirmed=statuses[str(BOOKED)],
    )
