"""The table, the lines that tell where the time goes, and the files that are left behind."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure, Sample, Samples
from bench.growth import Point
from bench.plot import plot
from tests.support.servers import ROOT

RESULTS = Path(__file__).resolve().parent / "results"
HEAD = ("figure", "configuration", "value", "reference", "ratio", "target", "")


def table(figures: Sequence[Figure]) -> str:
    """The figures in aligned columns; of two configurations the better one decides."""
    rows = [HEAD, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths).rstrip())
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    compared = ""
    if figure.reference is not None:
        compared = f"{_number(figure.reference)}{figure.unit} {figure.says}"
    verdict = {True: "met", False: "NOT MET", None: ""}[figure.met]
    ratio = f"{figure.ratio:.2f} x" if figure.ratio is not None else ""
    target = str(figure.target) if figure.target else ""
    value = f"{_number(figure.value)} {figure.unit}".replace(" /s", "/s")
    compared = compared.replace("ms ", " ms ").replace("MB ", " MB ").replace("kB ", " kB ")
    return figure.name, figure.configuration, value, compared, ratio, target, verdict


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spent(what: str, sample: Sample) -> str:
    """One line on a run: its rate and times, the processors used, the database's work."""
    load = sample.load
    cpu = " ".join(f"{name} {share * 100:.0f}%" for name, share in sample.cpu.items())
    line = (
        f"{what:<26} {load.rate:>7,.0f}/s  p50 {load.p50:.1f} p99 {load.p99:.1f}"
        f" slowest {load.slowest:.0f} ms  {cpu}"
    )
    database = sample.database
    if load.answered and (commits := database.get("Com_commit", 0)) > 1:
        fsyncs = database.get("Innodb_os_log_fsyncs") or database.get("Innodb_data_fsyncs", 0)
        line += (
            f"  {load.answered / commits:.1f} per commit,"
            f" {database['Questions'] / load.answered:.2f} statements"
            f" {fsyncs / load.answered:.3f} fsyncs each"
        )
    return line


def machine() -> dict[str, Any]:
    """What was measured, and on what."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "processor": models[0] if models else platform.machine(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        # More than the processors: somebody else was at work, and the times say little.
        "load before": round(os.getloadavg()[0], 1),
    }


def write(
    command: str,
    about: Mapping[str, Any],
    figures: Sequence[Figure],
    samples: Samples,
    points: Sequence[Point],
    wrong: Sequence[str],
) -> Path:
    """Write latest.json and latest.svg and return the folder."""
    RESULTS.mkdir(exist_ok=True)
    told = {
        "command": command,
        **about,
        "figures": [_plain(figure) for figure in figures],
        "growth": [asdict(point) for point in points],
        "rounds": {
            f"{configuration}: {task}": [_rounded(sample) for sample in taken]
            for (configuration, task), taken in samples.taken.items()
        },
        "wrong": list(wrong),
    }
    (RESULTS / "latest.json").write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "latest.svg").write_text(plot(figures, points))
    return RESULTS


def _plain(figure: Figure) -> dict[str, Any]:
    told = asdict(figure)
    told["target"] = str(figure.target) if figure.target else None
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in told.items()
        if value is not None
    }


def _rounded(sample: Sample) -> dict[str, Any]:
    load = sample.load
    return {
        "rate": round(load.rate),
        **{name: round(getattr(load, name), 2) for name in ("p50", "p99", "slowest")},
        "cpu": {name: round(share, 2) for name, share in sample.cpu.items()},
        "database": sample.database,
    }
