"""The rules for acquisition functions, checked on small pools that offer exactly what `needs` declares."""

import torch

from softal_bench.conformance.acquisitions import batches, extremes, growth
from softal_bench.conformance.acquisitions.example_pools import N, OnDevice, example_pool, select
from softal_bench.conformance.rules import Rule, require
from softal_bench.contracts import AcquisitionFunction

RULES: tuple[Rule[AcquisitionFunction], ...] = (*batches.RULES, *extremes.RULES, *growth.RULES)

_BATCH = 5
_ROUNDING = 1e-6  # largest difference of scores that are computed in another order


def _as_on_the_cpu(acquisition: OnDevice) -> None:
    here, there = (select(each, example_pool(), _BATCH) for each in (acquisition.acquisition, acquisition))
    same = torch.equal(here.positions, there.positions)
    require(
        same and bool((here.scores - there.scores).abs().max() < _ROUNDING),
        f"{_BATCH} of {N} points: got {there.positions.tolist()} with scores {there.scores.tolist()} on "
        f"{acquisition.device}, and {here.positions.tolist()} with scores {here.scores.tolist()} on the CPU",
    )


# Time, memory, and rules over given scores are checked only on the CPU.
RULES_ON_DEVICE: tuple[Rule[OnDevice], ...] = (
    Rule("as_on_the_cpu", "acquires the same batch as on the CPU, with the same scores", _as_on_the_cpu),
    *batches.RULES,
    *(rule for rule in extremes.RULES if rule.name not in ("negative_scores", "worst_point")),
)
