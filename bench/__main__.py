"""`bench/run`: measure everything, print one table, and say whether it was true what was sold.

The exit status is 1 when an answer and the database disagree, a rule is broken or a run failed. A
target that is missed is printed: times depend on the machine.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench import growth, report, tasks
from bench.figures import GOALS, Figure, Samples
from bench.growth import Point
from bench.stage import Configuration, settings, staged
from bench.studies import all_studies
from bench.tasks import Round
from bench.wrk import LoadFailed
from tests.support.servers import ServerFailed, ServerMissing

GROWTH, LARGE = "growth", "large"

T = TypeVar("T")

# The slowest page takes longer than a second where 64 ask for it.
WARM_UP_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done: rounds, seconds of a task, rows."""

    rounds: int
    seconds: int
    line_length: int
    sizes: list[int]
    bookings: int


CHECK = Plan(1, 1, 15_000, [1_000], 1_000)
QUICK = Plan(3, 1, 20_000, [1_000, 10_000], 20_000)
NORMAL = Plan(3, 3, 50_000, [1_000, 10_000, 100_000], 50_000)
FULL = Plan(5, 5, 100_000, [1_000, 10_000, 100_000, 1_000_000], 100_000)


def main() -> int:
    studies = all_studies(bookings=0)
    keys = {study.key for study in studies}
    parts = sorted({goal.key for goal in GOALS} - {LARGE} | keys | {GROWTH})
    patient = {study.key for study in studies if study.takes_a_minute}
    parser = argparse.ArgumentParser(prog="bench/run", description="Measure Nextup.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_const", const=QUICK, dest="plan")
    how.add_argument(
        "--check",
        action="store_const",
        const=CHECK,
        dest="plan",
        help="too short for its times to mean anything: only what was sold is looked at",
    )
    how.add_argument("--full", action="store_const", const=FULL, dest="plan")
    parser.add_argument("--only", action="append", choices=parts, metavar="NAME", help=str(parts))
    parser.set_defaults(plan=NORMAL)
    asked = parser.parse_args()
    command = " ".join(["bench/run", *sys.argv[1:]])
    about = report.machine()
    try:
        with tempfile.TemporaryDirectory(prefix="nextup-bench-") as folder:
            left_out = set() if asked.plan is FULL else patient
            run = Run(asked.plan, set(asked.only or parts) - (left_out - set(asked.only or ())))
            run.all(Path(folder))
    except (ServerMissing, ServerFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"\n{report.table(run.figures)}\n")
    if asked.plan is not CHECK:
        results = report.write(command, about, run.figures, run.samples, run.points, run.wrong)
        print(f"In {results}: latest.json, latest.svg")
    for line in run.wrong:
        print(f"WRONG: {line}")
    print(f"What was sold is {'NOT ' if run.wrong else ''}what was answered, by every rule.")
    return 1 if run.wrong else 0


class Run:
    """One run from the first server's start to the last check."""

    def __init__(self, plan: Plan, parts: set[str]) -> None:
        self.plan = plan
        self.parts = parts
        self.samples = Samples()
        self.points: list[Point] = []
        self.figures: list[Figure] = []
        self.wrong: list[str] = []

    def all(self, folder: Path) -> None:
        """Measure, then hold what was answered against the databases."""
        print("Starting the servers", flush=True)
        with staged(folder) as stage:
            now = Round(stage, self.plan.seconds, self.plan.line_length)
            self.rounds(now)
            extra: list[Figure] = []
            for study in all_studies(bookings=self.plan.bookings):
                if study.key in self.parts:
                    extra += self.attempt(study.key, study.run, now) or []
            if GROWTH in self.parts:
                self.points = self.attempt(GROWTH, self.growth, now) or []
            goals = [goal for goal in GOALS if goal.key in self.parts | {LARGE}]
            self.figures = self.samples.figures(goals) + extra
            print("Checking what was sold", flush=True)
            for url, truth in now.truths.items():
                self.wrong += truth.check(settings(url), folder / "verify")

    def rounds(self, now: Round) -> None:
        """Run each task once in every round, so that all of them see the same machine."""
        wanted = [goal for goal in GOALS if goal.key in self.parts]
        stage = now.stage
        seconds, now.seconds = now.seconds, WARM_UP_SECONDS
        for turn in range(self.plan.rounds + 1 if wanted else 0):
            # The first round only warms up: connections, caches, files.
            print(f"Round {turn} of {self.plan.rounds}" if turn else "Warming up", flush=True)
            for configuration in (stage.single, stage.double, stage.sqlite):
                of_it = [goal for goal in wanted if configuration.name in goal.of]
                needed = {task for goal in of_it for task in (goal.task, goal.reference)}
                for task in [task for task in tasks.TASKS if task in needed]:
                    self.sample(task, now, configuration, keep=turn > 0)
            now.seconds = seconds

    def sample(self, task: str, now: Round, configuration: Configuration, *, keep: bool) -> None:
        what = f"{configuration.name}: {task}"
        sample = self.attempt(
            what, lambda now: tasks.run(task, now, configuration), now, tell=False, counts=keep
        )
        if sample is not None and keep:
            self.samples.add(configuration.name, task, sample)
            print(f"  {report.spent(what, sample)}", flush=True)

    def growth(self, now: Round) -> list[Point]:
        return growth.grow(now, self.plan.sizes, self.samples, rounds=self.plan.rounds)

    def attempt(
        self,
        what: str,
        measure: Callable[[Round], T],
        now: Round,
        *,
        tell: bool = True,
        counts: bool = True,
    ) -> T | None:
        """What `measure` gives; a failure is noted, unless it does not count, and the others go on.

        A cold server may leave the first look at a page unanswered for longer than it warms up.
        """
        if tell:
            print(f"Study: {what}", flush=True)
        try:
            return measure(now)
        except LoadFailed as error:
            if counts:
                self.wrong.append(f"{what}: {error}")
            print(f"  {what} failed: {error}", flush=True)
            return None


if __name__ == "__main__":
    sys.exit(main())
