"""Randomness: from the generator that is given alone, and as declared."""

from collections.abc import Callable

import torch

from softal_bench.conformance.acquisitions.examples import Example, N, choose, chosen, example
from softal_bench.conformance.rules import (
    Rule,
    require,
    require_global_generators_untouched,
    require_settings_untouched,
)
from softal_bench.contracts import AcquisitionFunction

_STATES = 8


def _repeatable(acquisition: AcquisitionFunction) -> None:
    first, second = (chosen(acquisition, example(), 5, seed=3) for _ in range(2))
    require(first == second, f"5 of {N} points, generator seeded with 3 twice: got {first}, then {second}")


def _as_declared(acquisition: AcquisitionFunction) -> None:
    apart, tied = _different(acquisition, example), _different(acquisition, _equal_points)
    given = f"12 of {N} points, and of {N} equal ones, under {_STATES} generator states"
    if acquisition.stochastic:
        require(apart > 1 or tied > 1, f"{given}: declared stochastic, so expected several batches, got one")
    else:
        require(apart == tied == 1, f"{given}: declared deterministic, but got {apart} and {tied} batches")


def _equal_points() -> Example:
    return example().at(torch.zeros(N, dtype=torch.int64))


def _different(acquisition: AcquisitionFunction, make: Callable[[], Example]) -> int:
    """How many different batches it chooses."""
    batches = [choose(acquisition, make(), 12, seed=seed) for seed in range(_STATES)]
    return len({repr((batch.positions.tolist(), batch.scores.tolist())) for batch in batches})  # so that NaN is NaN


def _global_generators(acquisition: AcquisitionFunction) -> None:
    require_global_generators_untouched(lambda: choose(acquisition, example(), 5))


def _global_settings(acquisition: AcquisitionFunction) -> None:
    require_settings_untouched(lambda: choose(acquisition, example(), 5))


RULES: tuple[Rule[AcquisitionFunction], ...] = (
    Rule("repeatable", "the same generator state gives the same batch", _repeatable),
    Rule(
        "stochastic_as_declared", "another generator state gives another batch, if and only if stochastic", _as_declared
    ),
    Rule("global_generators", "touches no global generator", _global_generators),
    Rule("global_settings", "leaves the settings of the process as they were", _global_settings),
)
