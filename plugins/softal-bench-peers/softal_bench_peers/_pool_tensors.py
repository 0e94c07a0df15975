"""A pool as the libraries take it: one tensor or array of all points."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from softal_bench.contracts import Pool
from softal_bench.errors import SelectionError

_LOWEST = (
    -40.0
)  # e^-40 = 4e-18 is below the rounding of float64, and 17 such factors are still above its smallest number


def finite_log_probs(pool: Pool) -> Tensor:
    """Return log_probs_N_K_C in the pool's own type, on its device, with log-probs below -40 raised to -40.

    For code that computes p log p as a product, which is NaN where p is 0. No entropy changes by more than rounding.
    """
    return torch.cat([log_probs_n_K_C.clamp_min(_LOWEST) for _, log_probs_n_K_C in pool.log_probs()])


def probs_array(pool: Pool) -> NDArray[np.floating]:
    """Return probs_N_C_K in the pool's own type, contiguous, on the CPU; none above 1 by rounding.

    baal takes an array with a value above 1 for logits and applies a softmax to it, without a word.
    """
    chunks = [
        log_probs_n_K_C.exp().clamp_max_(1).transpose(1, 2).cpu().contiguous()
        for _, log_probs_n_K_C in pool.log_probs()
    ]
    probs_N_C_K: NDArray[np.floating] = torch.cat(chunks).numpy()
    return probs_N_C_K


def require_joint_samples(joint_samples: int) -> None:
    """Raise ValueError unless M is at least 1."""
    if joint_samples < 1:
        raise ValueError(f"joint_samples is {joint_samples}; need at least 1 label configuration")


def draws_a_sample(library: str, joint_samples: int, num_samples: int) -> int:
    """Return M // K, the label configurations that a library draws for each posterior sample.

    Raises:
        SelectionError: if that is none.
    """
    if joint_samples < num_samples:
        raise SelectionError(
            f"joint_samples is {joint_samples}, but {library} draws M // K label configurations for each of K "
            f"posterior samples; with K = {num_samples} it has to be at least {num_samples}"
        )
    return joint_samples // num_samples
