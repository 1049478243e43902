"""What is measured in rounds, and which targets the figures are held against."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from bench.wrk import Load


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a task: the load, the processors used and what the database did meanwhile.

    `cpu` is in processors by group of processes over `seconds`, `database` counts by name;
    `mail_seconds` is the processor time of the deliverers for each mail that the run caused, until
    all were sent.
    """

    load: Load
    cpu: dict[str, float]
    database: dict[str, int]
    seconds: float = 0.0
    mail_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio that has to be reached, or not to be exceeded."""

    ratio: float
    at_most: bool = False

    def met(self, ratio: float) -> bool:
        return ratio <= self.ratio if self.at_most else ratio >= self.ratio

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.ratio:g} x"


Read = Callable[[Sample], float]


def rate(sample: Sample) -> float:
    return sample.load.rate


def cost(sample: Sample) -> float:
    """Processor time of the whole server for each answer, with its mail, in ms."""
    answering = sample.cpu["server"] + sample.cpu.get("supervisor", 0.0)
    return 1000 * (answering * sample.seconds / sample.load.answered + sample.mail_seconds)


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of the table: what it is of, what it is compared with and what is wanted.

    `task` and `reference` name tasks of a round; `value` and `compared` say what of them counts.
    """

    key: str
    name: str
    task: str
    reference: str
    says: str
    target: Target | None
    unit: str = "/s"
    value: Read = rate
    compared: Read = rate
    of: frozenset[str] = frozenset({"1 worker", "2 workers"})


GOALS = (
    Goal("hot", "bookings, one hot event", "hot", "raw", "raw PyMySQL", Target(2)),
    Goal("hot", "bookings, one hot event", "hot", "route", "Flask route", Target(0.33)),
    Goal("types", "bookings of three types", "typed", "hot", "plain bookings", Target(0.8)),
    Goal("many", "bookings over 50 events", "many", "raw many", "raw PyMySQL", Target(1)),
    Goal("cancel", "cancel + promotion", "cancel", "hot", "bookings", Target(0.5)),
    Goal("status", "status reads", "status", "route", "Flask route", Target(0.6)),
    Goal("scans", "scans at the door, 20 devices", "scans", "status", "status reads", Target(0.1)),
    Goal("page", "event page", "page", "route", "Flask route", Target(0.3)),
    Goal("visitors", "bookings by page", "visitors", "route", "Flask route", Target(0.08)),
    Goal(
        "visitors",
        "processor time of a booking by page",
        "visitors",
        "bare",
        "bare Flask request",
        Target(18, at_most=True),
        "ms",
        cost,
        cost,
    ),
    Goal("views", "list of events", "list", "route", "Flask route", Target(0.15)),
    Goal("views", "page of a confirmed booking", "confirmed", "route", "Flask route", Target(0.25)),
    Goal("views", "page of a waiting booking", "waiting", "route", "Flask route", Target(0.25)),
    Goal("views", "log-in page", "login", "route", "Flask route", None),
    Goal("views", "desk with 500 bookings", "desk", "route", "Flask route", Target(0.1)),
    Goal(
        "latency",
        "p99 of a booking",
        "hot",
        "hot",
        "p50",
        Target(4, at_most=True),
        "ms",
        lambda sample: sample.load.p99,
        lambda sample: sample.load.p50,
    ),
    Goal(
        "latency",
        "slowest booking",
        "hot",
        "hot",
        "p50",
        Target(20, at_most=True),
        "ms",
        lambda sample: sample.load.slowest,
        lambda sample: sample.load.p50,
    ),
    Goal(
        "sqlite",
        "bookings, one hot event",
        "hot",
        "route",
        "Flask route",
        Target(0.33),
        of=frozenset({"SQLite"}),
    ),
    Goal(
        "large",
        "bookings, many in the table",
        "large",
        "small",
        "few in the table",
        Target(0.9),
        of=frozenset({"1 worker"}),
    ),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table. Where there is nothing to compare with, `reference` is missing."""

    name: str
    configuration: str
    value: float
    unit: str
    says: str = ""
    reference: float | None = None
    ratio: float | None = None
    target: Target | None = None
    met: bool | None = None


@dataclass(slots=True)
class Samples:
    """The samples of all rounds, by configuration and task."""

    taken: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)

    def add(self, configuration: str, task: str, sample: Sample) -> None:
        self.taken.setdefault((configuration, task), []).append(sample)

    def figures(self, goals: list[Goal]) -> list[Figure]:
        """Medians over the rounds; a ratio is the median of the rounds' own ratios."""
        figures = []
        for goal in goals:
            of_goal = [
                figure
                for configuration in sorted(goal.of)
                if (figure := self._figure(goal, configuration)) is not None
            ]
            if (target := goal.target) is not None:
                # The better configuration decides.
                met = any(target.met(f.ratio) for f in of_goal if f.ratio is not None)
                of_goal = [_decided(figure, met) for figure in of_goal]
            figures += of_goal
        return figures

    def _figure(self, goal: Goal, configuration: str) -> Figure | None:
        of_task = self.taken.get((configuration, goal.task), [])
        of_reference = self.taken.get((configuration, goal.reference), [])
        pairs = [
            (goal.value(sample), goal.compared(reference))
            for sample, reference in zip(of_task, of_reference, strict=False)
        ]
        if not pairs:
            return None
        return Figure(
            name=goal.name,
            configuration=configuration,
            value=median(value for value, _ in pairs),
            unit=goal.unit,
            says=goal.says,
            reference=median(reference for _, reference in pairs),
            ratio=median(value / reference for value, reference in pairs if reference),
            target=goal.target,
        )


def _decided(figure: Figure, met: bool) -> Figure:
    return Figure(
        figure.name,
        figure.configuration,
        figure.value,
        figure.unit,
        figure.says,
        figure.reference,
        figure.ratio,
        figure.target,
        met,
    )
