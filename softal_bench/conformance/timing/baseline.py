"""The baseline: ratios of earlier runs in a JSON file, by kind of CPU and by benchmark, and the tolerance they teach.

The file holds `{CPU kind: {benchmark: {"torch": version, "ratios": [one a run]}}}`. What a ratio is depends on the kind
of CPU, so kinds stand side by side; nothing is compared across them.
"""

import json
import math
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from softal_bench.errors import SoftalError
from softal_bench.machine.files import replace_file

FILE_NAME = "baseline.json"
FEWEST_RUNS = 3
LEAST_TOLERANCE, MOST_TOLERANCE = 1.2, 1.3

_CPU_INFO = Path("/proc/cpuinfo")
_IDENTIFYING = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU architecture", "CPU part")


class BaselineError(SoftalError):
    """A baseline cannot be read, written or compared with."""


@dataclass(frozen=True)
class Learnt:
    """What repeated runs of unchanged code taught about one benchmark on one kind of CPU.

    Attributes:
        ratios: the ratio of each run.
        torch: the version of PyTorch that they were measured with.
    """

    ratios: tuple[float, ...]
    torch: str

    @property
    def ratio(self) -> float:
        """The median over runs."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> float:
        """How far runs lie from the median at most, as a factor >= 1."""
        return math.exp(max(abs(math.log(ratio / self.ratio)) for ratio in self.ratios))

    @property
    def tolerance(self) -> float:
        """How many times slower is still taken for noise: spread^2, within 1.2 and 1.3.

        Unchanged code may come out 1.2 times too slow on a busier machine than the baseline's, and a slow-down of 1.5
        times 1.15 times too fast, without a wrong verdict.
        """
        return min(MOST_TOLERANCE, max(LEAST_TOLERANCE, self.spread**2))

    @property
    def noisy(self) -> bool:
        """Whether runs differ by more than the tolerance can allow for; such a baseline fails unchanged code."""
        return self.spread > MOST_TOLERANCE


def cpu_kind() -> str:
    """This machine's kind of CPU: maker, family and model, and the instruction set that PyTorch uses."""
    text = _CPU_INFO.read_text() if _CPU_INFO.exists() else ""
    return f"{maker(text) or platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def maker(cpu_info: str) -> str:
    """Maker, family and model from the text of /proc/cpuinfo; empty where it tells none.

    >>> maker("vendor_id : GenuineIntel\\ncpu family : 6\\nmodel : 85\\nmodel name : X\\n\\nprocessor : 1")
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


def recall(path: Path, kind: str, name: str) -> Learnt | None:
    """What the baseline at `path` knows of a benchmark on a kind of CPU, if anything.

    Raises:
        BaselineError: if the file is there and is no baseline.
    """
    found = _read(path).get(kind, {}).get(name)
    if found is None:
        return None
    try:
        return Learnt(tuple(map(_positive, found["ratios"])), str(found["torch"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BaselineError(f"{path}: {kind!r}, {name!r}: expected torch and positive ratios, got {found!r}") from error


def remember(path: Path, kind: str, measured: Mapping[str, Sequence[float]]) -> None:
    """Put ratios by benchmark, one a run, in place of what the baseline held of them on this kind of CPU.

    Raises:
        BaselineError: if the file is there and is no baseline, or cannot be written.
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
        raise BaselineError(f"{path}: cannot be read as a baseline: {error}; restore it or move it away") from error
    if not isinstance(baseline, dict) or not all(isinstance(entries, dict) for entries in baseline.values()):
        raise BaselineError(f"{path}: expected benchmarks by kind of CPU; restore the file or move it away")
    return baseline


def _one_line_each(baseline: Mapping[str, Mapping[str, Any]]) -> str:
    """JSON with a line a benchmark, so that a renewed one is one line in a difference."""
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
