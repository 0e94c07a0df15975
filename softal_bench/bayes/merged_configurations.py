"""A lower bound of the information that a point adds to a batch, from merged label configurations.

`Configurations.coarser` merges configurations into *cells* and so bounds `Configurations.information` from above. The
second moments of a cell's posteriors bound it from below, for the same draws. Take one cell, whose configurations have
weights v_m and posteriors r_mk, and let E be the mean over them with weights v_m / V, where V = sum_m v_m. For one
class of a point let q_m = sum_k r_mk p(Y = c | w_k). Because log q <= log t + q/t - 1 for every t > 0,

    E[-q log q] >= -E[q] log t - E[q²]/t + E[q],    which is largest at t = E[q²] / E[q]:

    E[-q log q] >= -E[q] log(E[q²] / E[q]).

The coarser configurations give -E[q] log E[q] in its place. For a small variance the true value is half-way between the
two, so that this lower bound is about as tight as that upper bound.

E[q²] = E[q]² + p·S p, where p is the vector of the K probabilities and S the covariance matrix of r over the cell. A
larger value in place of E[q²] still gives a lower bound, so S is replaced by an upper bound of few directions. Let
d_k² = E[r_k] and let T = S / (d d') have the eigenvalues λ_1 >= λ_2 >= ... and eigenvectors u_i. Then, with x = d p
(elementwise),

    p·S p = sum_i λ_i (u_i·x)² <= sum_{i<=R} (λ_i - λ_{R+1}) (u_i·x)² + λ_{R+1} (|x|² - (d·x)²),

since the r_k sum to 1 in each configuration, so that T d = 0 and d, of length 1, is an eigenvector of eigenvalue 0.
This takes R + 2 products of length K for each cell and class; R is `_DIRECTIONS`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.information import block_elements
from softal_bench.bayes.joint_entropy import Configurations, Points

_DIRECTIONS = 2  # R
_MOST_SAMPLES = 256  # K
_LEAST_SQUARE = 1e-30  # of d_k, so that nothing is divided by 0; the inequality holds for every d > 0
_ROUNDING = 1e-12  # nats, more than the rounding of the bound in float64


def merging_bytes(num_samples: int, num_configurations: int) -> int:
    """About how many bytes the eigenproblems of `MergedConfigurations.of` hold on a CPU; 0 where it is not worth it."""
    if num_samples > _MOST_SAMPLES or num_configurations < 2 * (_DIRECTIONS + 2):
        return 0
    return 3 * 8 * num_samples**3


@dataclass(frozen=True)
class MergedConfigurations:
    """Up to K cells of merged configurations, L of them, with what bounds the variance within each.

    Attributes:
        weights_L: V, float64, summing to 1.
        posterior_L_K: E[r_k] of each cell.
        directions_R_L_K: sqrt(λ_i - λ_{R+1}) d u_i for i <= R.
        remainder_L: λ_{R+1} of each cell.
        sample_probs_K: sum_m v_m r_mk.
    """

    weights_L: Tensor
    posterior_L_K: Tensor
    directions_R_L_K: Tensor
    remainder_L: Tensor
    sample_probs_K: Tensor

    @classmethod
    def worth_it(cls, configurations: Configurations) -> bool:
        """Whether the bound takes at most half the work of the gains themselves, and its moments not too much.

        With more than `_MOST_SAMPLES` samples the eigenproblems cost more than what they save.
        """
        num_configurations, num_samples = configurations.posterior_D_K.shape
        if num_samples > _MOST_SAMPLES or num_configurations < 2 * (_DIRECTIONS + 2):
            return False
        cells = int(configurations.cells(1).max()) + 1
        return num_configurations >= 2 * (_DIRECTIONS + 2) * cells

    @classmethod
    def of(cls, configurations: Configurations) -> "MergedConfigurations":
        """Merge configurations by their most probable sample.

        Costs O(D K²) time and an eigenproblem of K x K for each of at most K cells. Holds about 3 K³ float64, and two
        copies of the table of configurations while it takes the moments.
        """
        cell_D = configurations.cells(1)
        merged = configurations.merged(cell_D)
        cells, num_samples = merged.posterior_D_K.shape
        order_D = cell_D.argsort()
        square_L_K = merged.posterior_D_K.clamp_min(_LEAST_SQUARE)
        scaled_L_K_K = merged.posterior_D_K.new_empty(cells, num_samples, num_samples)
        for cell, rows in enumerate(torch.split(order_D, cell_D.bincount(minlength=cells).tolist())):
            posterior_d_K = configurations.posterior_D_K[rows]
            weighted_d_K = posterior_d_K * (configurations.weights_D[rows] / merged.weights_D[cell]).unsqueeze(1)
            mean_K, scale_K = merged.posterior_D_K[cell], square_L_K[cell].sqrt()
            covariance_K_K = weighted_d_K.T @ posterior_d_K - mean_K.outer(mean_K)
            scaled_L_K_K[cell] = covariance_K_K / scale_K.outer(scale_K)
        values_L_K, vectors_L_K_K = torch.linalg.eigh(scaled_L_K_K)  # by rising eigenvalue
        directions = min(_DIRECTIONS, num_samples - 1)
        rest = num_samples - directions
        remainder_L = values_L_K[:, rest - 1].clamp_min(0)
        beyond_L_R = (values_L_K[:, rest:] - remainder_L.unsqueeze(1)).clamp_min(0)
        directions_L_R_K = vectors_L_K_K[:, :, rest:].mT * beyond_L_R.sqrt().unsqueeze(2)
        return cls(
            merged.weights_D,
            square_L_K,
            (directions_L_R_K * square_L_K.sqrt().unsqueeze(1)).transpose(0, 1).contiguous(),
            remainder_L,
            configurations.weights_D @ configurations.posterior_D_K,
        )

    def information(self, points: Points) -> Tensor:
        """A lower bound of `Configurations.information` for each of n points. Returns lower_n, float64, at least 0.

        Costs O(n L R K C) time, as matrix products, and a block of memory.
        """
        num_points, num_classes, _ = points.probs_n_C_K.shape
        lower_n = -(points.conditional_n_K @ self.sample_probs_K) - _ROUNDING
        at_once = max(1, block_elements(lower_n.device) // (len(self.weights_L) * num_classes))
        for start in range(0, num_points, at_once):
            probs_nC_K = points.probs_n_C_K[start : start + at_once].flatten(0, 1)
            mean_nC_L = probs_nC_K @ self.posterior_L_K.T
            variance_nC_L = (probs_nC_K.square() @ self.posterior_L_K.T).addcmul_(mean_nC_L, mean_nC_L, value=-1)
            variance_nC_L.clamp_min_(0).mul_(self.remainder_L)
            for directions_L_K in self.directions_R_L_K:
                projected_nC_L = probs_nC_K @ directions_L_K.T
                variance_nC_L.addcmul_(projected_nC_L, projected_nC_L)
            mean_nC_L.clamp_min_(torch.finfo(torch.float64).tiny)
            # E[q²] / E[q], at most 1 since q is
            ratio_nC_L = variance_nC_L.div_(mean_nC_L).add_(mean_nC_L).clamp_max_(1)
            entropy_nC = -ratio_nC_L.log_().mul_(mean_nC_L) @ self.weights_L
            lower_n[start : start + at_once] += entropy_nC.view(-1, num_classes).sum(dim=-1)
        return lower_n.clamp_min_(0)
