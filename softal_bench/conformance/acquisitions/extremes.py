"""Rules about extreme predictions: the batch is valid, its scores are finite, and the worst point is not acquired."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.conformance.acquisitions.batches import require_batch
from softal_bench.conformance.acquisitions.example_pools import (
    C,
    ExamplePool,
    K,
    N,
    example_pool,
    position_lists,
    select,
)
from softal_bench.conformance.rules import NotApplicable, Rule, require
from softal_bench.contracts import AcquisitionFunction, OneSampleScore, Pool

_POINTS, _BATCH, _SEEDS = 12, 6, 200


def _one_hot() -> Tensor:
    log_probs_N_K_C = torch.full((_POINTS, K, C), -torch.inf)
    log_probs_N_K_C[torch.arange(_POINTS), :, torch.arange(_POINTS) % C] = 0.0
    return log_probs_N_K_C


def _uniform() -> Tensor:
    return torch.full((_POINTS, K, C), 1 / C).log()


def _equal_points() -> Tensor:
    return example_pool(1).log_probs_N_K_C.expand(_POINTS, K, C)


def _agreeing_samples() -> Tensor:
    return example_pool(_POINTS).log_probs_N_K_C[:, :1].expand(_POINTS, K, C).float()


def _tiny_probabilities() -> Tensor:
    return (example_pool(_POINTS).log_probs_N_K_C * 200).log_softmax(dim=-1)


def _check_on(make: Callable[[], Tensor]) -> Callable[[AcquisitionFunction], None]:
    def check(acquisition: AcquisitionFunction) -> None:
        _require_finite(acquisition, example_pool(_POINTS).predicting(make()))

    return check


def _require_finite(acquisition: AcquisitionFunction, example: ExamplePool) -> None:
    batch = select(acquisition, example, _BATCH)
    require_batch(batch, example.size, _BATCH)
    finite = bool(batch.scores.isfinite().all())
    require(finite, f"{_BATCH} of {example.size} points: expected finite scores, got {batch.scores.tolist()}")


def _worst_point(acquisition: AcquisitionFunction) -> None:
    """Check with a pool in which the model is certain about a point: all samples predict the same class with p = 1."""
    if not isinstance(acquisition, OneSampleScore) and _over_given_scores(acquisition) is None:
        raise NotApplicable(
            "it is neither a one-sample score nor a rule over one, so it may acquire such a point for other reasons"
        )
    worst = N // 2
    log_probs_N_K_C = _confident_but_disagreeing()
    log_probs_N_K_C[worst] = -torch.inf
    log_probs_N_K_C[worst, :, 0] = 0.0
    _require_rare(acquisition, example_pool().predicting(log_probs_N_K_C), worst)


def _confident_but_disagreeing() -> Tensor:
    """Return points for which each posterior sample is nearly certain, but the samples predict different classes."""
    generator = torch.Generator().manual_seed(2)
    logits_N_K_C = torch.randn(N, K, C, generator=generator, dtype=torch.float64)
    return (4 * logits_N_K_C).log_softmax(dim=-1)


def _require_rare(acquisition: AcquisitionFunction, example: ExamplePool, worst: int) -> None:
    """Raise Violation if the worst point is acquired first by a deterministic function.

    A stochastic function may acquire it first no more often than uniform sampling does.
    """
    seeds = _SEEDS if acquisition.stochastic else 1
    times = sum(positions == [worst] for positions in position_lists(acquisition, example, 1, seeds))
    chance = seeds / example.size
    require(
        times <= (chance if acquisition.stochastic else 0),
        f"1 of {example.size} points under {seeds} generator states: the worst point, at position {worst}, was "
        f"acquired {times} times; uniform sampling would acquire it {chance:.3g} times",
    )


def _negative_scores(acquisition: AcquisitionFunction) -> None:
    """Check with scores that are negative due to rounding: given scores for a rule, or scores of agreeing samples."""
    over_scores = _over_given_scores(acquisition)
    if over_scores is None:
        _require_finite(acquisition, example_pool(_POINTS).predicting(_agreeing_samples()))
        return
    _require_finite(over_scores, example_pool(_POINTS))
    _require_rare(over_scores, example_pool(), 0)


def _over_given_scores(acquisition: AcquisitionFunction) -> AcquisitionFunction | None:
    """Return the same rule over scores of which the first is slightly negative, or None if it is not such a rule."""
    fields = dataclasses.fields(acquisition)  # type: ignore[arg-type]
    scores = [field.name for field in fields if isinstance(getattr(acquisition, field.name), OneSampleScore)]
    replaced = {name: _SlightlyNegative() for name in scores}
    return dataclasses.replace(acquisition, **replaced) if replaced else None  # type: ignore[type-var]


@dataclass(frozen=True)
class _SlightlyNegative(OneSampleScore):
    """A score of -1e-7 for the first point, and up to 1 for the others."""

    def scores(self, pool: Pool) -> Tensor:
        scores_N = torch.linspace(0, 1, pool.size, dtype=torch.float64, device=pool.device)
        scores_N[0] = -1e-7
        return scores_N


RULES: tuple[Rule[AcquisitionFunction], ...] = (
    Rule("one_hot", "handles one-hot predictions", _check_on(_one_hot)),
    Rule("uniform_predictions", "handles uniform predictions", _check_on(_uniform)),
    Rule("equal_points", "handles a pool of equal points", _check_on(_equal_points)),
    Rule("tiny_probabilities", "handles probabilities that underflow", _check_on(_tiny_probabilities)),
    Rule("negative_scores", "handles scores slightly below zero, and prefers larger ones", _negative_scores),
    Rule("worst_point", "does not acquire a point whose label the model is certain about", _worst_point),
)
