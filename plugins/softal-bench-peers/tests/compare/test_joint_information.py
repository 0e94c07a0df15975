"""The estimator that judges sampled batches, against enumeration of all label vectors."""

import itertools
import math

import torch
from softal_bench_peers.compare.joint_information import joint_information
from torch import Tensor


def enumerated(log_probs_B_K_C: Tensor) -> float:
    """I[Y_1..Y_B; Ω] from all C^B label vectors."""
    probs = log_probs_B_K_C.double().exp()
    num_points, num_masks, num_classes = probs.shape
    entropy = conditional = 0.0
    for labels in itertools.product(range(num_classes), repeat=num_points):
        given_K = [math.prod(float(probs[i, k, labels[i]]) for i in range(num_points)) for k in range(num_masks)]
        mean = sum(given_K) / num_masks
        entropy -= mean * math.log(mean)
        conditional -= sum(one * math.log(one) for one in given_K) / num_masks
    return entropy - conditional


def test_it_matches_mutual_information_within_its_standard_error() -> None:
    generator = torch.Generator().manual_seed(0)
    log_probs_B_K_C = (2 * torch.randn(3, 5, 4, generator=generator)).log_softmax(dim=-1)
    exact = enumerated(log_probs_B_K_C)
    estimates = [joint_information(log_probs_B_K_C, 400, torch.Generator().manual_seed(seed)) for seed in range(20)]
    deviations = [(value - exact) / error for value, error in estimates]
    assert max(map(abs, deviations)) < 4
    assert abs(sum(deviations) / len(deviations)) < 4 / math.sqrt(len(deviations))
    assert 0.5 < math.sqrt(sum(one**2 for one in deviations) / len(deviations)) < 1.6  # the error is neither way off
