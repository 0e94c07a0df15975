"""Check that a model's predictions are log-probs."""

import torch
from torch import Tensor

from softal_bench.errors import PredictionError

# Largest |sum_c p_c - 1|, which is |log sum_c p_c| to first order. A log-softmax in float32 over 1000 classes stays
# below 1e-5; one that is computed in half precision, or a mean of log-probs that is not renormalised, may exceed 1e-3.
TOLERANCE = 1e-3


def require_log_probs(log_probs_n_K_C: object, model: str) -> None:
    """Raise PredictionError unless sum_c exp(log_probs_nkc) is 1 within TOLERANCE for every point and sample.

    This covers NaN, and log-probs above 0: one of them alone gives a larger sum. Log-probs of -inf are allowed. Sums
    are taken in the dtype of the log-probs, which is exact enough for float32. Costs one exponential for each log-prob
    and on a GPU one synchronisation.

    Args:
        log_probs_n_K_C: what `Posterior.log_probs` returned.
        model: how messages name the model; the position is that in the chunk (see `NumericalError.at`).
    """
    if not isinstance(log_probs_n_K_C, Tensor) or log_probs_n_K_C.ndim != 3:
        got = f"shape {tuple(log_probs_n_K_C.shape)}" if isinstance(log_probs_n_K_C, Tensor) else f"{log_probs_n_K_C!r}"
        raise PredictionError(model, f"predicted {got}; log_probs has to return a tensor [n, K, C]")
    deviation_n_K = log_probs_n_K_C.detach().exp().sum(dim=-1).sub_(1).abs_()
    sound_n_K = deviation_n_K <= TOLERANCE  # not where it is NaN
    if not bool(sound_n_K.all()):
        position, sample = (~sound_n_K).nonzero()[0].tolist()
        log_probs_C = log_probs_n_K_C[position, sample].detach().double()
        raise PredictionError(f"{model}: the prediction", _problem(log_probs_C, sample), position)


def _problem(log_probs_C: Tensor, sample: int) -> str:
    where = f"under posterior sample {sample}"
    if bool(log_probs_C.isnan().any()):
        return f"{where} is NaN for class {int(log_probs_C.isnan().nonzero()[0, 0])}; log-probs have to be numbers"
    largest = log_probs_C.max().item()
    above = f" (the largest log-prob is {largest:.4g}, above 0)" if largest > TOLERANCE else ""
    total = torch.logsumexp(log_probs_C, dim=0).item()
    return (
        f"{where} has log-probs whose logarithm of the sum of exponentials is {total:.4g}{above}; allowed is 0 within "
        f"{TOLERANCE:g}, so return `log_softmax` over the classes"
    )
