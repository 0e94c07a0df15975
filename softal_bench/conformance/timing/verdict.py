"""What a benchmark's ratios say against its baseline, and how it is told."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from softal_bench.conformance.timing.baseline import FEWEST_RUNS, Learnt

ATTEMPTS = 4

Verdict = Literal["no baseline", "slower", "faster", "as before"]


@dataclass(frozen=True)
class Measured:
    """A benchmark of this run.

    Attributes:
        name: the test's name without `test_`.
        ratios: the ratio to the control, once or, where it was over the limit, several times.
        learnt: its baseline on this kind of CPU, if there is one of at least three runs.
        kind: this kind of CPU.
        path: the baseline's file.
    """

    name: str
    ratios: tuple[float, ...]
    learnt: Learnt | None
    kind: str
    path: Path

    @property
    def ratio(self) -> float:
        """The lowest: noise passes, a slow-down stays."""
        return min(self.ratios)

    @property
    def times_slower(self) -> float:
        """The ratio over the baseline's; 1 where there is none."""
        return self.ratio / self.learnt.ratio if self.learnt else 1.0

    @property
    def verdict(self) -> Verdict:
        """Slower or faster than the tolerance explains, or neither."""
        if self.learnt is None:
            return "no baseline"
        if self.times_slower > self.learnt.tolerance:
            return "slower"
        return "faster" if self.times_slower < 1 / self.learnt.tolerance else "as before"

    @property
    def reported(self) -> dict[str, str | float]:
        """What pytest-benchmark's JSON report says of it, under extra_info.gate."""
        return {"name": self.name, "ratio": self.ratio, "verdict": self.verdict, "baseline": str(self.path)}


def usable(learnt: Learnt | None) -> Learnt | None:
    """The baseline, if it is of enough runs to have a tolerance."""
    return learnt if learnt and len(learnt.ratios) >= FEWEST_RUNS else None


def attempt(measure: Callable[[], float], learnt: Learnt | None, pause: Callable[[], None]) -> tuple[float, ...]:
    """Measure, and again after a pause while the ratio is over the limit, up to four times in all."""
    ratios = [measure()]
    while learnt and ratios[-1] > learnt.ratio * learnt.tolerance and len(ratios) < ATTEMPTS:
        pause()
        ratios.append(measure())
    return tuple(ratios)


def renewal(path: Path) -> str:
    """The command that renews a baseline."""
    return f"python -m softal_bench.conformance.timing {path.parent}"


def missing(measured: Measured) -> str:
    """Why there is no verdict, and how to get one."""
    return (
        f"{measured.name}: {measured.path} has no baseline of {FEWEST_RUNS} runs or more for this kind of CPU "
        f"({measured.kind}); on unchanged code and a quiet machine, make one: {renewal(measured.path)}"
    )


def failure(measured: Measured) -> str:
    """Which benchmark is slower, by how much, what is allowed, and what to do."""
    learnt = measured.learnt
    assert learnt is not None
    ratios = ", ".join(f"{ratio:.3g}" for ratio in measured.ratios)
    return (
        f"{measured.name} is {measured.times_slower:.2f} times slower than its baseline; up to {learnt.tolerance:.2f} "
        f"times is taken for noise.\n"
        f"  ratio to its control: {measured.ratio:.3g}, the lowest of {ratios}\n"
        f"  baseline: {learnt.ratio:.3g}, the median of {len(learnt.ratios)} runs that lie within {learnt.spread:.2f} "
        f"times of it ({measured.kind})\n"
        f"  torch: {torch.__version__}; the baseline's: {learnt.torch}\n"
        f"  Next: find what made the code under {measured.name!r} slower. If it is meant to be, renew the baseline and "
        f"say why: {renewal(measured.path)}"
    )


def table(measured: list[Measured]) -> list[str]:
    """Lines for the terminal, one a benchmark."""
    lines = [f"{'benchmark':<28} {'ratio':>8} {'baseline':>9} {'times':>6} {'allowed':>8}  verdict"]
    for row in measured:
        known = row.learnt
        baseline = (
            f"{known.ratio:>9.3f} {row.times_slower:>6.2f} {known.tolerance:>8.2f}"
            if known
            else f"{'-':>9} {'-':>6} {'-':>8}"
        )
        again = f", measured {len(row.ratios)} times" if len(row.ratios) > 1 else ""
        lines.append(f"{row.name:<28} {row.ratio:>8.3f} {baseline}  {row.verdict}{again}")
    if any(row.verdict == "faster" for row in measured):
        paths = sorted({row.path for row in measured if row.verdict == "faster"})
        lines.append(f"faster: renew the baseline, so that it holds the gain: {'; '.join(map(renewal, paths))}")
    return lines
