"""The points decide, not how the pool is chunked or in which order it holds them."""

import numpy as np
import torch
from scipy.stats import chi2_contingency

from softal_bench.conformance.acquisitions.examples import N, batches, chosen, example
from softal_bench.conformance.rules import Rule, require
from softal_bench.contracts import AcquisitionFunction

_SMALL, _BATCH, _STATES = 12, 3, 200
_P = 1e-9  # small, as the points of a batch are not independent; seeds are fixed, so a plugin fails always or never


def _chunks(acquisition: AcquisitionFunction) -> None:
    whole, parts = (chosen(acquisition, example(), 5, chunk_size=size) for size in (N, 7))
    require(whole == parts, f"5 of {N} points: got {whole} from one chunk, {parts} from chunks of 7")


def _order(acquisition: AcquisitionFunction) -> None:
    if acquisition.stochastic:
        _in_distribution(acquisition)
        return
    order = torch.randperm(N, generator=torch.Generator().manual_seed(5))
    expected = sorted(chosen(acquisition, example(), 5))
    got = sorted(order[chosen(acquisition, example().at(order), 5)].tolist())
    require(got == expected, f"5 of {N} points: expected {expected} in whatever order the pool is, got {got}")


def _in_distribution(acquisition: AcquisitionFunction) -> None:
    """How often each point is chosen, of the pool and of the pool backwards, compared by a chi-squared test."""
    order = torch.arange(_SMALL - 1, -1, -1)
    forwards = _counts(list(batches(acquisition, example(_SMALL), _BATCH, _STATES)))
    backwards = _counts(list(batches(acquisition, example(_SMALL).at(order), _BATCH, _STATES)))[order.numpy()]
    table = np.stack([forwards, backwards])
    table = table[:, table.any(axis=0)]
    if table.shape[1] > 1:
        p = chi2_contingency(table).pvalue
        require(
            p > _P,
            f"{_BATCH} of {_SMALL} points under {_STATES} generator states: each was chosen {forwards.tolist()} times "
            f"of the pool as it is, {backwards.tolist()} of the same pool backwards; by chance p = {p:.1g}",
        )


def _counts(chosen_positions: list[list[int]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(np.concatenate(chosen_positions), minlength=_SMALL)


RULES: tuple[Rule[AcquisitionFunction], ...] = (
    Rule("chunks", "does not depend on how the pool is chunked", _chunks),
    Rule("order", "permuting the pool permutes the choice, in distribution if stochastic", _order),
)
