"""How clearly each pick of a batch was decided, so that picks that rounding may change are not compared.

Scores are computed here again, in NumPy and from their definitions. A pick is the candidate with the largest key:
the score itself, or the value that a stochastic rule computes from it. Each score may be off by half of
`SCORE_TOLERANCE`, which gives each key a lowest and a highest value. The margin of a pick is its lowest key minus the
highest key of all remaining candidates; if it is positive, no such error changes the pick.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from softal_bench.contracts import Pool
from softal_bench.registry import Plugin

Array = NDArray[np.float64]

SCORE_TOLERANCE = 1e-4
_FAR = 99.0  # replaces infinite margins, which JSON cannot represent


def margins(plugin: Plugin[Any], pool: Pool, generator: torch.Generator, positions: list[int]) -> list[float] | None:
    """Return the margin of each pick; None if no score is involved, so that picks follow from the seed alone.

    Args:
        plugin: the acquisition function.
        pool: the pool that it chose from.
        generator: in the state in which the acquisition function received it.
        positions: the positions that it chose, in order.

    Raises:
        AssertionError: if a pick does not have the largest key under any rounding.
    """
    if plugin.name == "uniform":
        return None
    if plugin.name == "batchbald":
        return _of_batch_bald(pool, plugin.parameters["joint_samples"], generator, positions)
    low_N, high_N = _keys(plugin, pool, generator)
    return [_margin(low_N, high_N, positions, pick) for pick in range(len(positions))]


def _margin(low_N: Array, high_N: Array, positions: list[int], pick: int) -> float:
    position = positions[pick]
    left_N = np.ones(len(low_N), dtype=bool)
    left_N[positions[: pick + 1]] = False
    assert high_N[position] >= low_N[left_N].max(), f"pick {pick} (position {position}) does not have the largest key"
    return float(np.clip(low_N[position] - high_N[left_N].max(), -_FAR, _FAR))


def _keys(plugin: Plugin[Any], pool: Pool, generator: torch.Generator) -> tuple[Array, Array]:
    """Return the lowest and the highest key of each candidate."""
    if not plugin.nested:
        scores_N = _SCORES[plugin.name](pool)
        return scores_N - SCORE_TOLERANCE / 2, scores_N + SCORE_TOLERANCE / 2
    scores_N, temperature = _SCORES[plugin.nested[0].name](pool), plugin.parameters["temperature"]
    low_N, high_N = scores_N - SCORE_TOLERANCE / 2, scores_N + SCORE_TOLERANCE / 2
    if plugin.name == "softrank":
        torch.randperm(pool.size, generator=generator)  # the order of equal scores, which is undecided here
        worst_N = [np.sum(high_N >= low) for low in low_N]
        best_N = [1 + np.sum(low_N > high) for high in high_N]
        low_N, high_N = -np.log(np.array(worst_N)), -np.log(np.array(best_N))
    elif plugin.name == "power":
        with np.errstate(divide="ignore"):
            low_N, high_N = np.log(np.maximum(low_N, 0)), np.log(np.maximum(high_N, 0))
    else:
        assert plugin.name == "softmax", f"no margins are written for {plugin.label}"
    gumbel_N = -np.log(torch.empty(pool.size, dtype=torch.float64).exponential_(generator=generator).numpy())
    return low_N / temperature + gumbel_N, high_N / temperature + gumbel_N


def _of_batch_bald(pool: Pool, joint_samples: int, generator: torch.Generator, positions: list[int]) -> list[float]:
    """Run full greedy search on the same configurations, and return the margin of each pick."""
    from softal_bench.bayes.joint_entropy import Configurations, Points

    log_probs_N_K_C = torch.from_numpy(log_probs(pool))
    points, found = Points.of(log_probs_N_K_C), []
    configurations = Configurations.empty(pool.num_samples, torch.device("cpu"))
    for pick, position in enumerate(positions):
        gains_N = configurations.information(points).numpy()
        found.append(_margin(gains_N - SCORE_TOLERANCE / 2, gains_N + SCORE_TOLERANCE / 2, positions, pick))
        if pick + 1 < len(positions):
            configurations = configurations.extended(log_probs_N_K_C[position], joint_samples, generator)
    return found


def log_probs(pool: Pool) -> Array:
    """Return log_probs_N_K_C of the whole pool, read in chunks."""
    log_probs_N_K_C = np.full((pool.size, pool.num_samples, pool.num_classes), np.nan)
    for positions_n, log_probs_n_K_C in pool.log_probs():
        log_probs_N_K_C[positions_n.cpu().numpy()] = log_probs_n_K_C.double().cpu().numpy()
    return log_probs_N_K_C


def _entropies(probs: Array) -> Array:
    """Return -sum_c p_c log p_c over the last dimension."""
    entropies: Array = -(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=-1)
    return entropies


def _entropy(pool: Pool) -> Array:
    return _entropies(np.exp(log_probs(pool)).mean(axis=1))


def _bald(pool: Pool) -> Array:
    """Return H[p̄] - mean_k H[p_k]."""
    probs_N_K_C = np.exp(log_probs(pool))
    bald_N: Array = _entropies(probs_N_K_C.mean(axis=1)) - _entropies(probs_N_K_C).mean(axis=1)
    return bald_N


def _variation_ratios(pool: Pool) -> Array:
    ratios_N: Array = 1 - np.exp(log_probs(pool)).mean(axis=1).max(axis=-1)
    return ratios_N


def _epig_bald(pool: Pool) -> Array:
    return _bald(pool) - _bald(pool.evaluation)


def _epig(pool: Pool) -> Array:
    """Return the mean over targets of H[Y] + H[Y*] - H[Y, Y*]."""
    probs_N_K_C, targets_M_K_C = np.exp(log_probs(pool)), np.exp(log_probs(pool.targets))
    alone_N, alone_M = _entropies(probs_N_K_C.mean(axis=1)), _entropies(targets_M_K_C.mean(axis=1))
    total_N = np.zeros(len(alone_N))
    for probs_K_C, alone in zip(targets_M_K_C, alone_M, strict=True):
        joint_N_C_C = np.einsum("nkc,kd->ncd", probs_N_K_C, probs_K_C) / len(probs_K_C)
        total_N += alone_N + alone - _entropies(joint_N_C_C.reshape(len(total_N), -1))
    mean_N: Array = total_N / len(targets_M_K_C)
    return mean_N


_SCORES = {
    "bald": _bald,
    "entropy": _entropy,
    "epig": _epig,
    "epig_bald": _epig_bald,
    "variation_ratios": _variation_ratios,
}
