"""Extreme predictions: finite scores, a sound batch, and never the worst point."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.conformance.acquisitions.batches import require_batch
from softal_bench.conformance.acquisitions.examples import C, Example, K, N, batches, choose, example
from softal_bench.conformance.rules import NotApplicable, Rule, require
from softal_bench.contracts import AcquisitionFunction, OneSampleScore, Pool

_POINTS, _BATCH, _STATES = 12, 6, 200


def _one_hot() -> Tensor:
    log_probs_N_K_C = torch.full((_POINTS, K, C), -torch.inf)
    log_probs_N_K_C[torch.arange(_POINTS), :, torch.arange(_POINTS) % C] = 0.0
    return log_probs_N_K_C


def _uniform() -> Tensor:
    return torch.full((_POINTS, K, C), 1 / C).log()


def _equal_points() -> Tensor:
    return example(1).log_probs_N_K_C.expand(_POINTS, K, C)


def _agreeing_samples() -> Tensor:
    return example(_POINTS).log_probs_N_K_C[:, :1].expand(_POINTS, K, C).float()


def _tiny_probabilities() -> Tensor:
    return (example(_POINTS).log_probs_N_K_C * 200).log_softmax(dim=-1)


def _takes(make: Callable[[], Tensor]) -> Callable[[AcquisitionFunction], None]:
    def check(acquisition: AcquisitionFunction) -> None:
        _require_finite(acquisition, example(_POINTS).predicting(make()))

    return check


def _require_finite(acquisition: AcquisitionFunction, of: Example) -> None:
    batch = choose(acquisition, of, _BATCH)
    require_batch(batch, of.size, _BATCH)
    finite = bool(batch.scores.isfinite().all())
    require(finite, f"{_BATCH} of {of.size} points: expected finite scores, got {batch.scores.tolist()}")


def _worst_point(acquisition: AcquisitionFunction) -> None:
    """One point about which nothing is left to learn: all samples say the same class with certainty."""
    worst = N // 2
    log_probs_N_K_C = _undecided()
    log_probs_N_K_C[worst] = -torch.inf
    log_probs_N_K_C[worst, :, 0] = 0.0
    if not isinstance(acquisition, OneSampleScore) and _given_scores(acquisition) is None:
        raise NotApplicable("it is no score and no rule over one, so it may seek points for other reasons")
    _require_rare(acquisition, example().predicting(log_probs_N_K_C), worst)


def _undecided() -> Tensor:
    """Points of which each posterior sample is nearly sure, of classes that differ between samples."""
    generator = torch.Generator().manual_seed(2)
    logits_N_K_C = torch.randn(N, K, C, generator=generator, dtype=torch.float64)
    return (4 * logits_N_K_C).log_softmax(dim=-1)


def _require_rare(acquisition: AcquisitionFunction, of: Example, worst: int) -> None:
    """Never chosen first by a deterministic function, and by a stochastic one no more often than chance would."""
    states = _STATES if acquisition.stochastic else 1
    times = sum(batch == [worst] for batch in batches(acquisition, of, 1, states))
    chance = states / of.size
    require(
        times <= (chance if acquisition.stochastic else 0),
        f"1 of {of.size} points under {states} generator states: the worst, at {worst}, was chosen {times} times; at "
        f"random it is {chance:.3g}",
    )


def _negative_scores(acquisition: AcquisitionFunction) -> None:
    """Scores that rounding has put below zero: given to a rule, or what a score makes of samples that agree."""
    given = _given_scores(acquisition)
    if given is None:
        _require_finite(acquisition, example(_POINTS).predicting(_agreeing_samples()))
        return
    _require_finite(given, example(_POINTS))
    _require_rare(given, example(), 0)


def _given_scores(acquisition: AcquisitionFunction) -> AcquisitionFunction | None:
    """The same function over scores of which the first is slightly negative, if it is one over a one-sample score."""
    fields = dataclasses.fields(acquisition)  # type: ignore[arg-type]
    scores = [field.name for field in fields if isinstance(getattr(acquisition, field.name), OneSampleScore)]
    replaced = {name: _SlightlyNegative() for name in scores}
    return dataclasses.replace(acquisition, **replaced) if replaced else None  # type: ignore[type-var]


@dataclass(frozen=True)
class _SlightlyNegative(OneSampleScore):
    """-1e-7 for the first point, and up to 1 for the others."""

    def scores(self, pool: Pool) -> Tensor:
        scores_N = torch.linspace(0, 1, pool.size, dtype=torch.float64, device=pool.device)
        scores_N[0] = -1e-7
        return scores_N


RULES: tuple[Rule[AcquisitionFunction], ...] = (
    Rule("one_hot", "takes one-hot predictions", _takes(_one_hot)),
    Rule("uniform_predictions", "takes uniform predictions", _takes(_uniform)),
    Rule("equal_points", "takes a pool whose points are all equal", _takes(_equal_points)),
    Rule("tiny_probabilities", "takes probabilities that underflow", _takes(_tiny_probabilities)),
    Rule("negative_scores", "takes scores slightly below zero, and prefers others to them", _negative_scores),
    Rule("worst_point", "does not choose a point about which nothing is left to learn", _worst_point),
)
