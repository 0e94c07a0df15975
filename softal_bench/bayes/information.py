"""Entropies and mutual information of predictions, in nats.

N points, K posterior samples, C classes. Sums run in float64 whatever comes in. Each function takes log-probs, so that
one-hot predictions (log-probs of -inf) are exact: 0 log 0 = 0.
"""

import math

import torch
from torch import Tensor

from softal_bench.errors import NumericalError


def p_log_p(probs: Tensor) -> Tensor:
    """p log p elementwise, 0 where p is 0. Twice as fast as `torch.special.entr` or `xlogy`, which do not vectorise."""
    return probs.clamp_min(torch.finfo(probs.dtype).tiny).log_().mul_(probs)


def mean_probs(log_probs_N_K_C: Tensor) -> Tensor:
    """p̄(y=c | x_n) = 1/K sum_k p(y=c | x_n, w_k). Returns probs_N_C, float64."""
    return log_probs_N_K_C.double().exp().mean(dim=1)


def entropy(log_probs_N_K_C: Tensor) -> Tensor:
    """Predictive entropy H[Y | x_n] = -sum_c p̄_nc log p̄_nc with p̄ = mean_k p_k. Returns scores_N, float64, nats.

    Raises:
        NumericalError: if a value is NaN or outside [0, log C] by more than rounding.
    """
    entropy_N = -p_log_p(mean_probs(log_probs_N_K_C)).sum(dim=-1)
    return clamp_rounding(entropy_N, log_probs_N_K_C, "entropy")


def variation_ratios(log_probs_N_K_C: Tensor) -> Tensor:
    """1 - max_c p̄_nc with p̄ = mean_k p_k. Returns scores_N, float64, in [0, 1 - 1/C].

    Raises:
        NumericalError: if a value is NaN or out of its bounds by more than rounding.
    """
    ratios_N = 1 - mean_probs(log_probs_N_K_C).amax(dim=-1)
    return clamp_rounding(ratios_N, log_probs_N_K_C, "variation ratio", 1 - 1 / log_probs_N_K_C.shape[-1])


def conditional_entropy(log_probs_N_K_C: Tensor) -> Tensor:
    """Expected entropy given the weights, E_w H[Y | x_n, w] = -1/K sum_k sum_c p_nkc log p_nkc.

    Returns scores_N, float64, nats.

    Raises:
        NumericalError: if a value is NaN or outside [0, log C] by more than rounding.
    """
    conditional_N = _conditional_entropy(log_probs_N_K_C.double())
    return clamp_rounding(conditional_N, log_probs_N_K_C, "conditional entropy")


def bald(log_probs_N_K_C: Tensor) -> Tensor:
    """BALD: the mutual information of a label and the weights, I[Y; Ω | x_n] = H[Y | x_n] - E_w H[Y | x_n, w].

    By the concavity of -p log p each class's difference of the two terms is at least 0, so the sum in float64 is
    negative by rounding alone; that is clamped to 0. Costs O(N K C) time and one float64 copy of the log-probs.

    Args:
        log_probs_N_K_C: log p(y=c | x_n, w_k), any floating dtype, at least two posterior samples to be of use.

    Returns:
        scores_N, float64, in [0, log C], nats.

    Raises:
        NumericalError: if a value is NaN or outside [0, log C] by more than rounding.

    Source: Houlsby et al. 2011, "Bayesian Active Learning for Classification and Preference Learning", equation 2.

    >>> import torch
    >>> two_sure_but_opposed = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]).log()
    >>> round(bald(two_sure_but_opposed).item(), 6)  # log 2: one label tells all
    0.693147
    """
    exact_N_K_C = log_probs_N_K_C.double()
    entropy_N = -p_log_p(mean_probs(exact_N_K_C)).sum(dim=-1)
    return clamp_rounding(entropy_N - _conditional_entropy(exact_N_K_C), log_probs_N_K_C, "BALD")


def clamp_rounding(values_N: Tensor, log_probs_N_K_C: Tensor, what: str, upper: float | None = None) -> Tensor:
    """Return values_N clamped to [0, upper], log C unless given; the one place where rounding is repaired.

    Rounding is taken as at most 100 units in the last place of float32, or of a coarser dtype of the log-probs: what
    comes in float64 was often computed in float32.

    Raises:
        NumericalError: if a value is NaN or outside the bounds by more than that; says which point and by how much.
    """
    num_classes = log_probs_N_K_C.shape[-1]
    upper = math.log(num_classes) if upper is None else upper
    eps = max(torch.finfo(log_probs_N_K_C.dtype).eps, torch.finfo(torch.float32).eps)
    slack = 100 * eps * max(upper, 1.0)
    outside_N = ~((values_N >= -slack) & (values_N <= upper + slack))  # true for NaN as well
    if bool(outside_N.any()):
        position = int(outside_N.nonzero()[0, 0])
        value = values_N[position].item()
        raise NumericalError(
            what,
            f"is {value:.6g}, outside [0, {upper:.6g}] by {max(-value, value - upper):.2g} (rounding explains "
            f"{slack:.1g}); log-probs have to be normalised over the {num_classes} classes and finite or -inf: look at "
            f"the model's there",
            position,
        )
    return values_N.clamp(0.0, upper)


def _conditional_entropy(exact_N_K_C: Tensor) -> Tensor:
    finite_N_K_C = exact_N_K_C.clamp_min(torch.finfo(torch.float64).min)  # so that 0 * -inf is 0; NaN stays NaN
    return -(exact_N_K_C.exp() * finite_N_K_C).sum(dim=-1).mean(dim=-1)
