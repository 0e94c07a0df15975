"""Pools small enough for exhaustive search."""

import numpy as np
import oracles
import torch
from hypothesis import strategies as st
from torch import Tensor


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@st.composite
def small_pools(draw: st.DrawFn) -> Tensor:
    """Draw log_probs_N_K_C small enough for exhaustive search; some predictions are one-hot, some points are twins."""
    num_points, num_samples, num_classes = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(2, 3))
    concentration = draw(st.sampled_from([0.05, 0.5, 5.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    probs_N_K_C = oracles.random_probs(rng, num_points, num_samples, num_classes, concentration=concentration)
    if draw(st.booleans()):
        probs_N_K_C[0] = np.eye(num_classes)[rng.integers(num_classes, size=num_samples)]
    if draw(st.booleans()):
        probs_N_K_C[-1] = probs_N_K_C[0]
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.log(probs_N_K_C))
