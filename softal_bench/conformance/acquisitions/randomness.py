"""Randomness: from the generator that is given alone, and as declared."""

from softal_bench.conformance.acquisitions.examples import N, choose, chosen, example
from softal_bench.conformance.rules import Rule, require, require_global_generators_untouched
from softal_bench.contracts import AcquisitionFunction

_STATES = 8


def _repeatable(acquisition: AcquisitionFunction) -> None:
    first, second = (chosen(acquisition, example(), 5, seed=3) for _ in range(2))
    require(first == second, f"5 of {N} points, generator seeded with 3 twice: got {first}, then {second}")


def _as_declared(acquisition: AcquisitionFunction) -> None:
    batches = [choose(acquisition, example(), 12, seed=seed) for seed in range(_STATES)]
    different = {(tuple(batch.positions.tolist()), tuple(batch.scores.tolist())) for batch in batches}
    given = f"12 of {N} points under {_STATES} generator states"
    if acquisition.stochastic:
        require(len(different) > 1, f"{given}: declared stochastic, so expected several batches, got one")
    else:
        require(len(different) == 1, f"{given}: declared deterministic, but got {len(different)} batches")


def _global_generators(acquisition: AcquisitionFunction) -> None:
    require_global_generators_untouched(lambda: choose(acquisition, example(), 5))


RULES: tuple[Rule[AcquisitionFunction], ...] = (
    Rule("repeatable", "the same generator state gives the same batch", _repeatable),
    Rule(
        "stochastic_as_declared", "another generator state gives another batch, if and only if stochastic", _as_declared
    ),
    Rule("global_generators", "touches no global generator", _global_generators),
)
