"""The paper's definitions by brute force: plain Python and NumPy in float64, by enumeration from probabilities.

Nothing here is imported from softal_bench: mutual informations are written as expected logarithms of ratios, joint
entropies as sums over all label configurations, and sampling without replacement as a product of conditional
probabilities.
"""

import itertools
import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from softal_bench.contracts import OneSampleScore, Pool

Array = NDArray[np.float64]


def probs_of(log_probs: Tensor) -> Array:
    """Return the probabilities of a tensor of log-probs of any dtype, in float64."""
    exact: Array = np.exp(log_probs.detach().cpu().double().numpy())
    return exact


def xlogx(p: float) -> float:
    return p * math.log(p) if p > 0 else 0.0


def entropy_of(probs_C: Iterable[float]) -> float:
    """Return H[p] = -sum_c p_c log p_c."""
    return -math.fsum(xlogx(float(p)) for p in probs_C)


def predictive_entropy(probs_K_C: Array) -> float:
    """Return H[p̄]."""
    return entropy_of([math.fsum(column) / len(probs_K_C) for column in probs_K_C.T.tolist()])


def conditional_entropy(probs_K_C: Array) -> float:
    """Return mean_k H[p_k]."""
    return math.fsum(entropy_of(row) for row in probs_K_C.tolist()) / len(probs_K_C)


def variation_ratio(probs_K_C: Array) -> float:
    """Return 1 - max_c p̄_c."""
    return 1 - max(math.fsum(column) / len(probs_K_C) for column in probs_K_C.T.tolist())


def mean_std(probs_K_C: Array) -> float:
    """Return the mean over classes of the standard deviation over samples."""
    deviations = [statistics.pstdev(column) for column in probs_K_C.T.tolist()]
    return math.fsum(deviations) / len(deviations)


def bald(probs_K_C: Array) -> float:
    """Return I[Y; Ω] as the expected log-ratio of p(y | w) to p(y)."""
    return mutual_information(probs_K_C[None])


def configuration_probs(probs_B_K_C: Array) -> list[list[float]]:
    """Return p(y | w_k) for each label configuration y of the batch and each of the K posterior samples."""
    _, num_samples, num_classes = probs_B_K_C.shape
    return [
        [math.prod(float(probs_B_K_C[i, k, label]) for i, label in enumerate(labels)) for k in range(num_samples)]
        for labels in itertools.product(range(num_classes), repeat=len(probs_B_K_C))
    ]


def joint_entropy(probs_B_K_C: Array) -> float:
    """Return H[Y_1..Y_B], by enumeration of all C^B label configurations."""
    return entropy_of(math.fsum(per_sample) / len(per_sample) for per_sample in configuration_probs(probs_B_K_C))


def mutual_information(probs_B_K_C: Array) -> float:
    """Return I[Y_1..Y_B; Ω] = mean_k sum_y p(y | w_k) log (p(y | w_k) / p(y)), by enumeration."""
    terms = []
    for per_sample in configuration_probs(probs_B_K_C):
        marginal = math.fsum(per_sample) / len(per_sample)
        terms += [p * math.log(p / marginal) for p in per_sample if p > 0]
    return math.fsum(terms) / float(probs_B_K_C.shape[1])


def best_batch_information(probs_N_K_C: Array, batch_size: int) -> float:
    """Return the largest I[Y_1..Y_B; Ω] of all batches of this size, by exhaustive search."""
    batches = itertools.combinations(range(len(probs_N_K_C)), batch_size)
    return max(mutual_information(probs_N_K_C[list(batch)]) for batch in batches)


def predictive_information(probs_K_C: Array, target_probs_K_C: Array) -> float:
    """Return I[Y; Y*] = sum_y sum_y* p(y, y*) log (p(y, y*) / (p(y) p(y*))); p(y, y*) is a mean over shared samples."""
    num_samples = len(probs_K_C)
    terms = []
    for column, target_column in itertools.product(probs_K_C.T.tolist(), target_probs_K_C.T.tolist()):
        joint = math.fsum(p * q for p, q in zip(column, target_column, strict=True)) / num_samples
        marginals = math.fsum(column) / num_samples, math.fsum(target_column) / num_samples
        terms.append(joint * (math.log(joint) - sum(map(math.log, marginals))) if joint > 0 else 0.0)
    return math.fsum(terms)


def epig(probs_K_C: Array, target_probs_M_K_C: Array) -> float:
    """Return the mean over targets of I[Y; Y*]."""
    informations = [predictive_information(probs_K_C, target_probs_K_C) for target_probs_K_C in target_probs_M_K_C]
    return math.fsum(informations) / len(informations)


def kmeans_plus_plus_probs(points_N_D: Array, first: int, batch_size: int) -> dict[tuple[int, ...], float]:
    """Return the probability of each ordered batch of D² sampling that starts at `first`, by enumeration."""
    probs = {}
    others = [position for position in range(len(points_N_D)) if position != first]
    for rest in itertools.permutations(others, batch_size - 1):
        batch, probability = [first], 1.0
        for position in rest:
            squared_N = [min(float(((point - points_N_D[at]) ** 2).sum()) for at in batch) for point in points_N_D]
            probability *= squared_N[position] / math.fsum(squared_N)
            batch.append(position)
        probs[tuple(batch)] = probability
    return probs


def ordered_batch_probs(weights_N: Sequence[float], batch_size: int) -> dict[tuple[int, ...], float]:
    """Return the probability of each ordered batch drawn one by one, with p_i proportional to w_i among the rest."""
    probs = {}
    for batch in itertools.permutations(range(len(weights_N)), batch_size):
        left, probability = math.fsum(weights_N), 1.0
        for position in batch:
            probability *= weights_N[position] / left
            left -= weights_N[position]
        probs[batch] = probability
    return probs


def first_pick_probs(weights_N: Sequence[float]) -> dict[tuple[int, ...], float]:
    """Return the probability that each position is drawn first."""
    return ordered_batch_probs(weights_N, 1)


def random_probs(rng: np.random.Generator, *shape: int, concentration: float = 0.5) -> Array:
    """Return random predictions of this shape, classes in the last dimension; a low concentration makes them sure."""
    probs: Array = rng.dirichlet([concentration] * shape[-1], size=shape[:-1])
    return probs


def random_log_probs(seed: int, *shape: int, concentration: float = 0.5) -> Tensor:
    """Return random float64 log-probs, none of which is infinite."""
    probs = random_probs(np.random.default_rng(seed), *shape, concentration=concentration)
    return torch.from_numpy(np.log(np.maximum(probs, 1e-300)))


def global_generators() -> tuple[object, ...]:
    """Return the states of the global generators of torch, NumPy and Python."""
    numpy_state = np.random.get_state(legacy=False)
    assert isinstance(numpy_state, dict)
    key, place = numpy_state["state"]["key"], numpy_state["state"]["pos"]
    return torch.get_rng_state().tolist(), key.tolist(), place, random.getstate()


@dataclass(frozen=True, eq=False)
class GivenScores(OneSampleScore):
    """A one-sample score that always returns the given tensor itself."""

    scores_N: Tensor

    def scores(self, pool: Pool) -> Tensor:
        return self.scores_N
