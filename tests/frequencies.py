"""A test of whether outcomes are drawn as often as expected."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from scipy import stats


def agree(drawn: Sequence[tuple[int, ...]], expected: Mapping[tuple[int, ...], float]) -> bool:
    """Return whether a chi-square test accepts the expected distribution; batches too rare for the test are pooled."""
    counts = Counter(drawn)
    common = [batch for batch, probability in expected.items() if probability * len(drawn) >= 5]
    rare = 1 - math.fsum(expected[batch] for batch in common)
    observed = [counts[batch] for batch in common] + [len(drawn) - sum(counts[batch] for batch in common)]
    wanted = [expected[batch] * len(drawn) for batch in common] + [rare * len(drawn)]
    if wanted[-1] < 1e-6 * len(drawn):
        assert observed.pop() == 0, "a batch of probability 0 was drawn"
        wanted.pop()
    return bool(stats.chisquare(observed, wanted, sum_check=False).pvalue > 1e-3)
