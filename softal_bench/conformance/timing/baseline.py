"""The baseline of a benchmark, and the verdict on a new measurement.

A baseline file holds the ratios of earlier runs,
`{CPU kind: {benchmark: {"torch": version, "ratios": [ratio, ...]}}}`.
A ratio depends on the kind of CPU, so the file has an entry for each kind, and only ratios of one kind are compared.
"""

import json
import math
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from softal_bench.errors import SoftalError
from softal_bench.machine.files import replace_file

FILE_NAME = "baseline.json"
MIN_RUNS = 3
MIN_TOLERANCE, MAX_TOLERANCE = 1.2, 1.3
MAX_ATTEMPTS = 4

_CPU_INFO = Path("/proc/cpuinfo")
_IDENTIFYING = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU architecture", "CPU part")


class BaselineError(SoftalError):
    """A baseline cannot be read, written or compared with."""


class Verdict(Enum):
    """The comparison of a measurement with its baseline."""

    NO_BASELINE = "no baseline"
    SLOWER = "slower"
    FASTER = "faster"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Baseline:
    """The ratios of one benchmark in repeated runs of unchanged code on one kind of CPU.

    Attributes:
        ratios: the ratio of each run.
        torch: the version of PyTorch with which they were measured.
    """

    ratios: tuple[float, ...]
    torch: str

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> float:
        """The largest deviation of a run from the median, as a factor >= 1."""
        return math.exp(max(abs(math.log(ratio / self.ratio)) for ratio in self.ratios))

    @property
    def tolerance(self) -> float:
        """The largest slow-down that is attributed to noise, as a factor: spread^2, limited to the range 1.2 to 1.3.

        The verdict is right even if unchanged code is measured 1.2 times too slow, on a busier machine than that of the
        baseline, or a slow-down of 1.5 times is measured 1.15 times too fast.
        """
        return min(MAX_TOLERANCE, max(MIN_TOLERANCE, self.spread**2))

    @property
    def noisy(self) -> bool:
        """Whether the runs differ by more than the maximum tolerance. Unchanged code can fail with such a baseline."""
        return self.spread > MAX_TOLERANCE


@dataclass(frozen=True)
class Measurement:
    """The ratios of one benchmark in this run, and its baseline.

    Attributes:
        name: the name of the test without `test_`.
        ratios: the measured ratios to the control: one, or several if the first exceeded the limit.
        baseline: the baseline for this kind of CPU; None if there is none with enough runs.
        kind: the kind of CPU of this machine.
        path: the baseline file.
    """

    name: str
    ratios: tuple[float, ...]
    baseline: Baseline | None
    kind: str
    path: Path

    @property
    def ratio(self) -> float:
        """The lowest ratio, because noise is temporary and a slow-down is not."""
        return min(self.ratios)

    @property
    def times_slower(self) -> float:
        """The ratio divided by the baseline's; 1 without a baseline."""
        return self.ratio / self.baseline.ratio if self.baseline else 1.0

    @property
    def verdict(self) -> Verdict:
        """Whether the benchmark is slower or faster than the tolerance allows."""
        if self.baseline is None:
            return Verdict.NO_BASELINE
        if self.times_slower > self.baseline.tolerance:
            return Verdict.SLOWER
        return Verdict.FASTER if self.times_slower < 1 / self.baseline.tolerance else Verdict.UNCHANGED

    @property
    def reported(self) -> dict[str, str | float]:
        """The entry `extra_info.gate` in the JSON report of pytest-benchmark."""
        return {"name": self.name, "ratio": self.ratio, "verdict": self.verdict.value, "baseline": str(self.path)}


def measure_ratios(
    measure: Callable[[], float], baseline: Baseline | None, pause: Callable[[], None]
) -> tuple[float, ...]:
    """Measure once. While the ratio exceeds the limit, pause and measure again, up to four times in total."""
    ratios = [measure()]
    while baseline and ratios[-1] > baseline.ratio * baseline.tolerance and len(ratios) < MAX_ATTEMPTS:
        pause()
        ratios.append(measure())
    return tuple(ratios)


# Messages


def renewal_command(path: Path) -> str:
    """Return the command that renews a baseline file."""
    return f"python -m softal_bench.conformance.timing {path.parent}"


def missing_message(measurement: Measurement) -> str:
    """Return a message that explains why there is no verdict and how to get one."""
    return (
        f"{measurement.name}: {measurement.path} has no baseline of at least {MIN_RUNS} runs for this kind of CPU "
        f"({measurement.kind}). To make one from known good code, on a quiet machine, run "
        f"{renewal_command(measurement.path)}"
    )


def failure_message(measurement: Measurement) -> str:
    """Return a message with the slower benchmark, its slow-down, the allowed slow-down, and what to do."""
    baseline = measurement.baseline
    assert baseline is not None
    ratios = ", ".join(f"{ratio:.3g}" for ratio in measurement.ratios)
    return (
        f"{measurement.name} is {measurement.times_slower:.2f} times slower than its baseline; up to "
        f"{baseline.tolerance:.2f} times is attributed to noise.\n"
        f"  ratio to its control: {measurement.ratio:.3g}, the lowest of {ratios}\n"
        f"  baseline: {baseline.ratio:.3g}, the median of {len(baseline.ratios)} runs that differ from it by a factor "
        f"of at most {baseline.spread:.2f} ({measurement.kind})\n"
        f"  PyTorch: {torch.__version__}; baseline: {baseline.torch}\n"
        f"  Next: find out why the code that {measurement.name!r} measures is slower. If the slow-down is intended, "
        f"renew the baseline and say why: {renewal_command(measurement.path)}"
    )


def summary_table(measurements: list[Measurement]) -> list[str]:
    """Return a table for the terminal with a line for each benchmark."""
    lines = [f"{'benchmark':<28} {'ratio':>8} {'baseline':>9} {'times':>6} {'allowed':>8}  verdict"]
    for row in measurements:
        known = row.baseline
        baseline = (
            f"{known.ratio:>9.3f} {row.times_slower:>6.2f} {known.tolerance:>8.2f}"
            if known
            else f"{'-':>9} {'-':>6} {'-':>8}"
        )
        repeated = f", measured {len(row.ratios)} times" if len(row.ratios) > 1 else ""
        lines.append(f"{row.name:<28} {row.ratio:>8.3f} {baseline}  {row.verdict.value}{repeated}")
    faster = sorted({row.path for row in measurements if row.verdict is Verdict.FASTER})
    if faster:
        lines.append(
            f"Some code is faster. To keep the gain, renew the baseline: {'; '.join(map(renewal_command, faster))}"
        )
    return lines


# The file


def read_baseline(path: Path, kind: str, name: str) -> Baseline | None:
    """Return the baseline of a benchmark on a kind of CPU, or None if the file does not contain it or does not exist.

    Raises:
        BaselineError: if the file exists and is not a valid baseline.
    """
    found = _read(path).get(kind, {}).get(name)
    if found is None:
        return None
    try:
        return Baseline(tuple(map(_positive, found["ratios"])), str(found["torch"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BaselineError(
            f"{path}: {kind!r}, {name!r}: expected a PyTorch version and positive ratios, got {found!r}; renew the "
            f"baseline: {renewal_command(path)}"
        ) from error


def write_baseline(path: Path, kind: str, measured: Mapping[str, Sequence[float]]) -> None:
    """Write the ratios of each benchmark, one per run. They replace earlier ratios for this kind of CPU.

    Raises:
        BaselineError: if the file exists and is not a valid baseline, or if it cannot be written.
    """
    baseline = _read(path)
    entries = baseline.setdefault(kind, {})
    for name, ratios in measured.items():
        entries[name] = {"torch": torch.__version__, "ratios": [round(ratio, 4) for ratio in ratios]}
    try:
        replace_file(path, _one_line_each(baseline).encode())
    except OSError as error:
        raise BaselineError(f"{path}: cannot be written: {error.strerror}") from error


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        baseline = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaselineError(
            f"{path}: cannot be read as a baseline: {error}; restore the file or move it away"
        ) from error
    if not isinstance(baseline, dict) or not all(isinstance(entries, dict) for entries in baseline.values()):
        raise BaselineError(f"{path}: expected benchmarks by kind of CPU; restore the file or move it away")
    return baseline


def _one_line_each(baseline: Mapping[str, Mapping[str, Any]]) -> str:
    """Return JSON with one line per benchmark, so that renewing a benchmark changes one line."""
    kinds = [
        f"  {json.dumps(kind)}: {{\n"
        + ",\n".join(f"    {json.dumps(name)}: {json.dumps(entries[name])}" for name in sorted(entries))
        + "\n  }"
        for kind, entries in sorted(baseline.items())
    ]
    return "{\n" + ",\n".join(kinds) + "\n}\n"


def _positive(ratio: Any) -> float:
    if not isinstance(ratio, (int, float)) or not 0 < ratio < math.inf:
        raise ValueError(ratio)
    return float(ratio)


# The kind of CPU


def cpu_kind() -> str:
    """Return the kind of CPU of this machine: vendor, family and model, and the instruction set that PyTorch uses."""
    text = _CPU_INFO.read_text() if _CPU_INFO.exists() else ""
    model = cpu_model(text) or platform.processor() or platform.machine()
    return f"{model}, {torch.backends.cpu.get_cpu_capability()}"


def cpu_model(cpu_info: str) -> str:
    """Return vendor, family and model from the text of /proc/cpuinfo, or an empty string if it has none of them.

    >>> cpu_model("vendor_id : GenuineIntel\\ncpu family : 6\\nmodel : 85\\nmodel name : X\\n\\nprocessor : 1")
    'GenuineIntel family 6 model 85'
    """
    fields = {}
    for line in cpu_info.partition("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        if key.strip() in _IDENTIFYING:
            fields[key.strip()] = value.strip()
    return " ".join(
        value if key == "vendor_id" else f"{key.removeprefix('cpu ').removeprefix('CPU ')} {value}"
        for key, value in fields.items()
    )
