"""Expected predictive information gain: the information of a point's label about labels at target inputs, in nats."""

from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.information import block_elements, clamp_rounding, p_log_p
from softal_bench.bayes.joint_entropy import classes_first
from softal_bench.errors import NumericalError

_LEAST_ROWS = 128  # points times classes in a block, so that the matrix product has enough to do


def epig(log_probs_N_K_C: Tensor, target_log_probs_M_K_C: Tensor) -> Tensor:
    """Return EPIG(x_n) = E_x*[ I[Y; Y* | x_n, x*] ] = mean_m KL( p(y, y*_m) || p(y) p(y*_m) ).

    Point and target share the K posterior samples: p(y, y*) = 1/K sum_k p_k(y | x) p_k(y* | x*), one matrix product of
    (N C) x K by K x (M C). Of the forms of the divergence, H[Y] + H[Y*] - H[Y, Y*] needs the fewest logarithms, one for
    each entry of that product. Each log p(y) and log p(y*) is weighted by the marginal of the joint distribution, so
    that predictions that sum to 1 only up to float32 rounding still give a divergence, which is at least 0. Values that
    are negative by float64 rounding are clamped to 0. EPIG is at most H[Y], and at most the mean of H[Y*].

    Costs O(N M K C²) time, and O(N) memory and a block in addition to the arguments.

    Args:
        log_probs_N_K_C: log p(y=c | x_n, w_k), any floating dtype.
        target_log_probs_M_K_C: the same for M >= 1 target inputs, under the same K samples in the same order.

    Returns:
        scores_N, float64, in [0, log C], nats.

    Raises:
        NumericalError: if a value is NaN or outside [0, log C] by more than rounding.
        ValueError: if there is no target, or if K or C differ.

    Source: Bickford Smith et al. 2023, "Prediction-Oriented Bayesian Active Learning", arXiv:2304.08151, section 4.

    >>> import torch
    >>> sure_but_opposed = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]).log()
    >>> round(epig(sure_but_opposed, sure_but_opposed).item(), 6)  # log 2: one label tells the other
    0.693147
    """
    _require_targets(log_probs_N_K_C, target_log_probs_M_K_C)
    targets_at_once, points_at_once = _block(log_probs_N_K_C, len(target_log_probs_M_K_C))
    summed_N = torch.zeros(len(log_probs_N_K_C), dtype=torch.float64, device=log_probs_N_K_C.device)
    for target_log_probs_m_K_C in torch.split(target_log_probs_M_K_C, targets_at_once):
        targets = _Targets.of(_probs(target_log_probs_m_K_C))
        for first in range(0, len(log_probs_N_K_C), points_at_once):
            block = slice(first, first + points_at_once)
            summed_N[block] += targets.summed_information(_probs(log_probs_N_K_C[block]))
    return clamp_rounding(summed_N / len(target_log_probs_M_K_C), log_probs_N_K_C, "EPIG")


@dataclass(frozen=True)
class _Targets:
    """A block of targets, float64, and the sums over them that do not depend on the point.

    Attributes:
        weighted_mC_K: p_k(y* | x*_m) / K.
        mass_K: sum_m sum_y* p_k(y* | x*_m) / K, which is m / K up to rounding.
        cross_K: sum_m sum_y* p_k(y* | x*_m) / K log p(y* | x*_m).
    """

    weighted_mC_K: Tensor
    mass_K: Tensor
    cross_K: Tensor

    @classmethod
    def of(cls, probs_m_C_K: Tensor) -> "_Targets":
        weighted_mC_K = probs_m_C_K.flatten(0, 1) / probs_m_C_K.shape[2]
        marginal_mC = weighted_mC_K.sum(dim=1)
        return cls(weighted_mC_K, weighted_mC_K.sum(dim=0), marginal_mC.log() @ weighted_mC_K)

    def summed_information(self, probs_n_C_K: Tensor) -> Tensor:
        """Return sum_m KL( p(y, y*_m) || p(y) p(y*_m) ) for each of n points."""
        num_points, num_classes, _ = probs_n_C_K.shape
        joint_nC_mC = probs_n_C_K.flatten(0, 1) @ self.weighted_mC_K.T
        negative_entropy_n = p_log_p(joint_nC_mC).sum(dim=1).view(num_points, num_classes).sum(dim=1)
        own_n = (probs_n_C_K.mean(dim=2).log() * (probs_n_C_K @ self.mass_K)).sum(dim=1)
        targets_n = probs_n_C_K.sum(dim=1) @ self.cross_K
        return negative_entropy_n - own_n - targets_n


def _probs(log_probs_n_K_C: Tensor) -> Tensor:
    """Return probs_n_C_K, float64, above 0 so that each has a logarithm; NaN stays NaN."""
    return classes_first(log_probs_n_K_C).double().exp_()


def _block(log_probs_N_K_C: Tensor, num_targets: int) -> tuple[int, int]:
    """Return the numbers of targets and of points whose joint distributions fit in a block."""
    num_classes = log_probs_N_K_C.shape[2]
    elements = block_elements(log_probs_N_K_C.device)
    targets_at_once = min(num_targets, max(1, elements // (_LEAST_ROWS * num_classes)))
    return targets_at_once, max(1, elements // (targets_at_once * num_classes**2))


def _require_targets(log_probs_N_K_C: Tensor, target_log_probs_M_K_C: Tensor) -> None:
    """Raise ValueError unless there are targets with equal K and C. Raise NumericalError if a target is NaN."""
    if not len(target_log_probs_M_K_C) or target_log_probs_M_K_C.shape[1:] != log_probs_N_K_C.shape[1:]:
        raise ValueError(
            f"target_log_probs_M_K_C has shape {tuple(target_log_probs_M_K_C.shape)}, log_probs_N_K_C "
            f"{tuple(log_probs_N_K_C.shape)}; need at least one target, and the same posterior samples and classes"
        )
    broken = target_log_probs_M_K_C.isnan().any(dim=2).any(dim=1).nonzero()
    if len(broken):
        raise NumericalError(f"the prediction at target {int(broken[0, 0])}", "is NaN")
