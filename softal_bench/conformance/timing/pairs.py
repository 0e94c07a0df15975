"""The work of interest and its control, timed in turn in one process, and the ratio of the two."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Work = Callable[[], object]
Clock = Callable[[], float]

_WARM_UPS = 3
_FEWEST, _MOST = 15, 200


@dataclass(frozen=True)
class Pair:
    """Seconds of one call of the control, and of the call of the subject right after it."""

    control: float
    subject: float


class Turns:
    """Runs control and subject in turn, so that what slows the machine for longer than a pair slows both.

    Attributes:
        pairs: what was timed since they were last taken.
    """

    def __init__(self, subject: Work, control: Work, clock: Clock) -> None:
        self.pairs: list[Pair] = []
        self._subject = subject
        self._control = control
        self._clock = clock
        self._control_seconds = math.nan

    def run_control(self) -> None:
        """The first half of a pair."""
        self._control_seconds = self._seconds(self._control)

    def run_subject(self) -> None:
        """The second half of a pair."""
        self.pairs.append(Pair(self._control_seconds, self._seconds(self._subject)))

    def run(self, rounds: int) -> None:
        """Time whole pairs."""
        for _ in range(rounds):
            self.run_control()
            self.run_subject()

    def take(self) -> list[Pair]:
        """The pairs, which are forgotten here."""
        taken, self.pairs = self.pairs, []
        return taken

    def rounds_in(self, seconds: float) -> int:
        """How many pairs take about so long, 15 to 200, from a few that are run and forgotten (they warm caches up)."""
        self.run(_WARM_UPS)
        fastest = min(pair.control + pair.subject for pair in self.take())
        return max(_FEWEST, min(_MOST, round(seconds / fastest))) if fastest > 0 else _MOST

    def _seconds(self, work: Work) -> float:
        start = self._clock()
        work()
        return self._clock() - start


def ratio(pairs: Sequence[Pair]) -> float:
    """The median over pairs of the subject's seconds over its control's.

    Of the medians, quartiles and minima of ratios and of seconds it differed least between a quiet and a busy machine.
    """
    return statistics.median(pair.subject / pair.control for pair in pairs)
