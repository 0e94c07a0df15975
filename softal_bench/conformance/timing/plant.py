"""A slow-down on purpose, to prove that the gate sees it."""

import os
from collections.abc import Collection

import pytest

from softal_bench.conformance.timing.pairs import Clock, Work
from softal_bench.errors import shown, suggestion

VARIABLE = "SOFTAL_BENCH_PLANT"
FACTOR = 1.5


def planted() -> str | None:
    """The benchmark that is to be slowed down, if any."""
    return os.environ.get(VARIABLE) or None


def require_known(names: Collection[str]) -> None:
    """Stop unless the planted slow-down, if any, is in a benchmark of this run.

    Raises:
        pytest.UsageError: which name came, and which are allowed.
    """
    name = planted()
    if name is not None and name not in names:
        in_this_run = f"In this run: {', '.join(sorted(names))}"
        raise pytest.UsageError(f"{VARIABLE}: unknown benchmark {shown(name)}{suggestion(name, names)} {in_this_run}")


def slowed(work: Work, clock: Clock, factor: float = FACTOR) -> Work:
    """The work, then turns of an empty loop until it has taken `factor` times as long."""

    def slow() -> None:
        start = clock()
        work()
        end = start + factor * (clock() - start)
        while clock() < end:
            pass

    return slow
