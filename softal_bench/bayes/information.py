"""Entropies and mutual information of predictions, in nats.

N points, K posterior samples, C classes. Sums are computed in float64 for any input dtype. Each function takes
log-probs, so that one-hot predictions (log-probs of -inf) are exact: 0 log 0 = 0. Points are processed in blocks whose
float64 copy fits in a cache, so that temporaries cause neither memory traffic nor page faults: at K = 20 and C = 10
this is 10 times as fast.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from softal_bench.errors import NumericalError

# Bytes of intermediate results at a time: they fit in a CPU's cache, and keep an accelerator busy.
BLOCK_BYTES = {"cpu": 2**20, "cuda": 2**26}


def block_elements(device: torch.device) -> int:
    """Return how many float64 values an intermediate result should have on the device."""
    return BLOCK_BYTES.get(device.type, BLOCK_BYTES["cuda"]) // 8


def p_log_p(probs: Tensor) -> Tensor:
    """Return p log p elementwise, 0 where p is 0.

    This is twice as fast as `torch.special.entr` or `xlogy`, which do not vectorise.
    """
    return probs.clamp_min(torch.finfo(probs.dtype).tiny).log_().mul_(probs)


def entropy(log_probs_N_K_C: Tensor) -> Tensor:
    """Return the predictive entropy H[Y | x_n] = -sum_c p̄_nc log p̄_nc with p̄ = mean_k p_k.

    Returns:
        scores_N, float64, nats.

    Raises:
        NumericalError: if a value is NaN or outside [0, log C] by more than rounding.
    """
    entropy_N = _in_blocks(log_probs_N_K_C, lambda exact_n_K_C: _entropy(exact_n_K_C.exp()))
    return clamp_rounding(entropy_N, log_probs_N_K_C, "entropy")


def variation_ratios(log_probs_N_K_C: Tensor) -> Tensor:
    """Return the variation ratios 1 - max_c p̄_nc with p̄ = mean_k p_k.

    Returns:
        scores_N, float64, in [0, 1 - 1/C].

    Raises:
        NumericalError: if a value is NaN or out of its bounds by more than rounding.
    """
    ratios_N = _in_blocks(log_probs_N_K_C, lambda exact_n_K_C: 1 - exact_n_K_C.exp().mean(dim=1).amax(dim=-1))
    return clamp_rounding(ratios_N, log_probs_N_K_C, "variation ratio", 1 - 1 / log_probs_N_K_C.shape[-1])


def margin(log_probs_N_K_C: Tensor) -> Tensor:
    """Return 1 - (p̄_n(1) - p̄_n(2)), where p̄_n(1) and p̄_n(2) are the two largest values of p̄ = mean_k p_k.

    Returns:
        scores_N, float64, in [0, 1].

    Raises:
        NumericalError: if a value is NaN or out of its bounds by more than rounding.
    """

    def between_the_first_two(exact_n_K_C: Tensor) -> Tensor:
        first_n, second_n = exact_n_K_C.exp().mean(dim=1).topk(2).values.unbind(dim=-1)
        return 1 - (first_n - second_n)

    return clamp_rounding(_in_blocks(log_probs_N_K_C, between_the_first_two), log_probs_N_K_C, "margin", 1.0)


def mean_std(log_probs_N_K_C: Tensor) -> Tensor:
    """Return 1/C sum_c sigma_nc with sigma_nc² = mean_k (p_nkc - p̄_nc)² = E_k[p²] - E_k[p]².

    The centred form is computed, which is never negative.

    Returns:
        scores_N, float64, in [0, sqrt(C - 1) / C]: sum_c sigma_nc² <= 1 - 1/C, and the sum of C deviations is at most
        sqrt(C) times the square root of that.

    Raises:
        NumericalError: if a value is NaN or out of its bounds by more than rounding.

    Source: Kampffmeyer et al. 2016 and Kendall et al. 2015, arXiv:1511.02680; see Gal et al. 2017, section 4.

    >>> import torch
    >>> two_sure_but_opposed = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]).log()
    >>> mean_std(two_sure_but_opposed).item()  # the largest that two classes allow
    0.5
    """

    def deviation(exact_n_K_C: Tensor) -> Tensor:
        probs_n_K_C = exact_n_K_C.exp()
        centred_n_K_C = probs_n_K_C.sub_(probs_n_K_C.mean(dim=1, keepdim=True))
        return centred_n_K_C.square_().mean(dim=1).sqrt().mean(dim=-1)

    upper = math.sqrt(log_probs_N_K_C.shape[-1] - 1) / log_probs_N_K_C.shape[-1]
    return clamp_rounding(_in_blocks(log_probs_N_K_C, deviation), log_probs_N_K_C, "mean standard deviation", upper)


def conditional_entropy(log_probs_N_K_C: Tensor) -> Tensor:
    """Return the expected entropy given the weights, E_w H[Y | x_n, w] = -1/K sum_k sum_c p_nkc log p_nkc.

    Returns:
        scores_N, float64, nats.

    Raises:
        NumericalError: if a value is NaN or outside [0, log C] by more than rounding.
    """
    conditional_N = _in_blocks(
        log_probs_N_K_C, lambda exact_n_K_C: _conditional_entropy(exact_n_K_C, exact_n_K_C.exp())
    )
    return clamp_rounding(conditional_N, log_probs_N_K_C, "conditional entropy")


def bald(log_probs_N_K_C: Tensor) -> Tensor:
    """Return BALD, the mutual information of a label and the weights, I[Y; Ω | x_n] = H[Y | x_n] - E_w H[Y | x_n, w].

    Since -p log p is concave, the difference of the two terms is at least 0 for each class. The float64 sum can be
    negative only by rounding, and is then clamped to 0. Costs O(N K C) time, one exponential per element, and a block
    of memory.

    Args:
        log_probs_N_K_C: log p(y=c | x_n, w_k), any floating dtype. BALD is 0 for a single posterior sample.

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

    def difference(exact_n_K_C: Tensor) -> Tensor:
        probs_n_K_C = exact_n_K_C.exp()
        return _entropy(probs_n_K_C) - _conditional_entropy(exact_n_K_C, probs_n_K_C)

    return clamp_rounding(_in_blocks(log_probs_N_K_C, difference), log_probs_N_K_C, "BALD")


def bald_terms(log_probs_N_K_C: Tensor, samples_S: Tensor) -> Tensor:
    """Return H[p̄_n] - H[p_nk] for some of the K samples; the mean over all K is BALD.

    Args:
        log_probs_N_K_C: log p(y=c | x_n, w_k), any floating dtype.
        samples_S: LongTensor on the same device, each in 0 .. K-1.

    Returns:
        terms_N_S, float64, in [-log C, log C], nats.

    Raises:
        NumericalError: if a log-prob is NaN or H[p̄_n] is outside [0, log C] by more than rounding.
    """
    drawn_N_S_C = log_probs_N_K_C[:, samples_S]
    entropy_N_S = _in_blocks(drawn_N_S_C, lambda exact_n_S_C: -exact_n_S_C.mul_(exact_n_S_C.exp()).sum(dim=-1))
    return entropy(log_probs_N_K_C).unsqueeze(1) - entropy_N_S


def mean_probs(log_probs_N_K_C: Tensor) -> Tensor:
    """Return the predictive distribution p̄_n = mean_k p_nk as probs_N_C, float64; NaN stays NaN."""
    return _in_blocks(log_probs_N_K_C, lambda exact_n_K_C: exact_n_K_C.exp_().mean(dim=1))


def clamp_rounding(values_N: Tensor, log_probs_N_K_C: Tensor, what: str, upper: float | None = None) -> Tensor:
    """Return values_N clamped to [0, upper]; `upper` is log C by default. Only this function repairs rounding.

    Rounding is assumed to be at most 100 units in the last place of float32, or of the dtype of the log-probs if that
    is coarser; float64 log-probs were often computed in float32.

    Raises:
        NumericalError: if a value is NaN or outside the bounds by more than that; the error names the point and the
            excess.
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
            f"{slack:.1g}); log-probs have to be normalised over the {num_classes} classes and finite or -inf; "
            f"check the model's predictions there",
            position,
        )
    return values_N.clamp(0.0, upper)


def require_usable(values_N: Tensor, usable_N: Tensor, what: str, needed: str) -> None:
    """Raise NumericalError for the first value that is not usable; the error names its position."""
    if not bool(usable_N.all()):
        position = int((~usable_N).nonzero()[0, 0])
        raise NumericalError(what, f"is {values_N[position].item()}; {needed} is needed", position)


def _in_blocks(log_probs_N_K_C: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `score` of the points, float64, a block at a time. `score` may overwrite its finite float64 copy."""
    num_points, num_samples, num_classes = log_probs_N_K_C.shape
    points = max(1, block_elements(log_probs_N_K_C.device) // max(1, num_samples * num_classes))
    blocks = torch.split(log_probs_N_K_C, points) if num_points else ()
    return torch.cat(
        [score(_finite_copy(block_n_K_C)) for block_n_K_C in blocks] or [log_probs_N_K_C.new_empty(0).double()]
    )


def _finite_copy(log_probs: Tensor) -> Tensor:
    """Return a float64 copy with the lowest float64 in place of -inf, so that 0 * log 0 is 0; NaN stays NaN."""
    return log_probs.to(torch.float64, copy=True).clamp_min_(torch.finfo(torch.float64).min)


def _entropy(probs_n_K_C: Tensor) -> Tensor:
    return -p_log_p(probs_n_K_C.mean(dim=1)).sum(dim=-1)


def _conditional_entropy(exact_n_K_C: Tensor, probs_n_K_C: Tensor) -> Tensor:
    return -exact_n_K_C.mul_(probs_n_K_C).sum(dim=(1, 2)) / exact_n_K_C.shape[1]
