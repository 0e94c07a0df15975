"""Joint entropies of a batch's labels under K posterior samples, and the contribution of another point, in nats.

For a batch with labels Y_1..Y_b, a *configuration* y is one value for each label. The distinct configurations are
kept, each with its weight v_m (the weights sum to 1) and its posterior over the K samples,

    r_mk = p(w_k | y_m) = p(y_m | w_k) / sum_j p(y_m | w_j).

By the chain rule, they determine the entropy of another point and its mutual information with the weights:

    H[Y | Y_1..Y_b]    = sum_m v_m H[ sum_k r_mk p(Y | x, w_k) ],
    I[Y; Ω | Y_1..Y_b] = sum_m v_m ( H[ sum_k r_mk p(Y | x, w_k) ] - sum_k r_mk H[Y | x, w_k] ).

While C^b <= M all configurations are kept, with v_m = p(y_m), and the values are exact. After that, M//K configurations
are drawn for each sample w_k from p(y | w_k). Together they are draws from the mixture p(y) = mean_k p(y | w_k), so the
weight of each draw is 1/M (this is the importance-weighted estimator of Kirsch et al. 2019, "BatchBALD", section 3,
written with the chain rule). Both estimators are unbiased. The estimator of the information subtracts the conditional
entropy of each draw as a control variate. Each of its terms is a mutual information, at least 0, so its error decreases
with the remaining information. Merging configurations never lowers the estimate (`Configurations.coarser`). Products of
many probabilities are never computed, so batches of any size do not underflow.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.information import block_elements, p_log_p

_LEAST_LOG_PROB = -650.0  # in place of -inf, so that p log p is 0 without a test; its exponential is not subnormal
_DIRECTIONS = 2  # R
_MOST_SAMPLES = 256  # K
_LEAST_SQUARE = 1e-30  # of d_k, to avoid a division by 0; the inequality holds for every d > 0
_ROUNDING = 1e-12  # nats, more than the rounding of the bound in float64


@dataclass(frozen=True)
class Points:
    """The predictions of n points in the form that joint entropies need, float64.

    Attributes:
        probs_n_C_K: p(y=c | x_n, w_k).
        conditional_n_K: H[Y | x_n, w_k].
    """

    probs_n_C_K: Tensor
    conditional_n_K: Tensor

    @classmethod
    def of(cls, log_probs_n_K_C: Tensor) -> "Points":
        """Return the points for log-probs in any floating dtype."""
        return cls.of_classes_first(classes_first(log_probs_n_K_C))

    @classmethod
    def of_classes_first(cls, log_probs_n_C_K: Tensor) -> "Points":
        """Return the points for the output of `classes_first`, at half the cost of `of`."""
        exact_n_C_K = log_probs_n_C_K.double()
        probs_n_C_K = exact_n_C_K.exp()
        return cls(probs_n_C_K, -(exact_n_C_K * probs_n_C_K).sum(dim=1))

    def __len__(self) -> int:
        return len(self.probs_n_C_K)

    def __getitem__(self, chosen: Tensor | slice) -> "Points":
        return Points(self.probs_n_C_K[chosen], self.conditional_n_K[chosen])


def classes_first(log_probs_n_K_C: Tensor) -> Tensor:
    """Return log_probs_n_C_K, same dtype, finite and contiguous, so that sums and products run along the K samples."""
    return log_probs_n_K_C.transpose(1, 2).clamp_min(_LEAST_LOG_PROB).contiguous()


@dataclass(frozen=True)
class Configurations:
    """The D distinct label configurations of the batch so far.

    Attributes:
        weights_D: v_m, float64, summing to 1.
        posterior_D_K: r_mk, float64, each row summing to 1.
        rows_M: the row of each draw, once configurations are drawn; the draws are ordered by their sample w_k.
    """

    weights_D: Tensor
    posterior_D_K: Tensor
    rows_M: Tensor | None = None

    @classmethod
    def empty(cls, num_samples: int, device: torch.device) -> "Configurations":
        """Return the only configuration of an empty batch, given which all K samples are equally likely."""
        return cls(
            torch.ones(1, dtype=torch.float64, device=device),
            torch.full((1, num_samples), 1 / num_samples, dtype=torch.float64, device=device),
        )

    def added_entropy(self, points: Points) -> Tensor:
        """Return H[Y_n | Y_1..Y_b] for each of n points, given the batch so far, as entropy_n, float64.

        Costs O(n D K C) time, as one matrix product, and a block of memory.
        """
        num_points, num_classes, _ = points.probs_n_C_K.shape
        added_n: Tensor = torch.zeros(num_points, dtype=torch.float64, device=points.probs_n_C_K.device)
        for block, rows, predictive_nC_d in self._predictives(points):
            summands_nC = predictive_nC_d.log().mul_(predictive_nC_d) @ self.weights_D[rows]
            added_n[block] -= summands_nC.view(-1, num_classes).sum(dim=-1)
        return added_n

    def information(self, points: Points) -> Tensor:
        """Return I[Y_n; Ω | Y_1..Y_b] for each of n points, given the batch so far, as information_n, float64.

        It is at least 0 up to rounding. Costs the same as `added_entropy`.
        """
        sample_probs_K = self.weights_D @ self.posterior_D_K  # 1/K each, up to the randomness of the draws
        information_n: Tensor = self.added_entropy(points) - points.conditional_n_K @ sample_probs_K
        return information_n

    def standard_error(self, points: Points) -> Tensor:
        """Return the standard error of `information` over the draws of configurations, 0 if it is exact. Float64, [n].

        It is sqrt(Var_m[I_m] / M), where I_m is the information given configuration m. The true error is smaller, since
        there are M//K draws for each sample instead of M draws from the mixture.
        """
        num_points, num_classes, _ = points.probs_n_C_K.shape
        mean_n = torch.zeros(num_points, dtype=torch.float64, device=points.probs_n_C_K.device)
        square_n = torch.zeros_like(mean_n)
        if self.rows_M is None:
            return mean_n
        for block, rows, predictive_nC_d in self._predictives(points):
            entropy_n_d = -p_log_p(predictive_nC_d).view(-1, num_classes, predictive_nC_d.shape[1]).sum(dim=1)
            information_n_d = entropy_n_d - points.conditional_n_K[block] @ self.posterior_D_K[rows].T
            mean_n[block] += information_n_d @ self.weights_D[rows]
            square_n[block] += information_n_d.square_() @ self.weights_D[rows]
        return ((square_n - mean_n.square()).clamp_min(0) / len(self.rows_M)).sqrt()

    def coarser(self, parts: int) -> "Configurations":
        """Merge configurations that have the same most probable sample, with similar probability.

        The probability of that sample is divided into `parts` equal intervals. Entropy is concave, so merging
        configurations never lowers the `information` of a point: the result gives an upper bound from at most K `parts`
        rows, for the same draws.
        """
        return self.merged(self.cells(parts))

    def cells(self, parts: int) -> Tensor:
        """Return cell_D, the cell into which `coarser` merges each configuration: 0, 1, ... without gaps."""
        largest_D, sample_D = self.posterior_D_K.max(dim=1)
        part_D = (largest_D * parts).long().clamp_max(parts - 1)
        cell_D: Tensor = torch.unique(sample_D * parts + part_D, return_inverse=True)[1]
        return cell_D

    def merged(self, cell_D: Tensor) -> "Configurations":
        """Return one configuration for each cell, with the total weight and the mean posterior of its members."""
        cells = int(cell_D.max()) + 1
        weights_d = self.weights_D.new_zeros(cells).index_add_(0, cell_D, self.weights_D)
        joint_D_K = self.weights_D.unsqueeze(1) * self.posterior_D_K
        joint_d_K = joint_D_K.new_zeros(cells, joint_D_K.shape[1]).index_add_(0, cell_D, joint_D_K)
        return Configurations(weights_d, joint_d_K / weights_d.unsqueeze(1))

    def extended(self, log_probs_K_C: Tensor, max_configurations: int, generator: torch.Generator) -> "Configurations":
        """Return the configurations of the batch with one more point: at most `max_configurations`, but at least K."""
        probs_K_C = log_probs_K_C.double().exp()
        if self.rows_M is None and len(self.weights_D) * probs_K_C.shape[1] <= max_configurations:
            return self._enumerated(probs_K_C)
        rows_M = self._drawn(max_configurations, generator) if self.rows_M is None else self.rows_M
        return self._with_drawn_label(probs_K_C, rows_M, generator)

    def _predictives(self, points: Points) -> Iterator[tuple[slice, slice, Tensor]]:
        """Yield (points, rows, sum_k r_mk p(y=c | x_n, w_k)), with each pair of a point and a row once."""
        num_points, num_classes, _ = points.probs_n_C_K.shape
        elements = block_elements(points.probs_n_C_K.device) // num_classes
        num_rows = min(len(self.weights_D), max(1, elements // 8))
        for start in range(0, num_points, max(1, elements // num_rows)):
            block = slice(start, start + max(1, elements // num_rows))
            probs_nC_K = points.probs_n_C_K[block].flatten(0, 1)
            for first in range(0, len(self.weights_D), num_rows):
                rows = slice(first, first + num_rows)
                yield block, rows, probs_nC_K @ self.posterior_D_K[rows].T

    def _enumerated(self, probs_K_C: Tensor) -> "Configurations":
        joint_D_C_K = self.posterior_D_K.unsqueeze(1) * probs_K_C.T
        predictive_D_C = joint_D_C_K.sum(dim=-1)
        weights_DC = (self.weights_D.unsqueeze(1) * predictive_D_C).flatten()
        possible_DC = weights_DC > 0  # a label with probability 0 under every sample adds nothing
        posterior_DC_K = (joint_D_C_K / predictive_D_C.unsqueeze(-1)).flatten(0, 1)
        return Configurations(weights_DC[possible_DC], posterior_DC_K[possible_DC])

    def _drawn(self, max_configurations: int, generator: torch.Generator) -> Tensor:
        """Return rows_M: for each sample w_k in turn, M//K rows drawn from p(y_m | w_k), proportional to v_m r_mk."""
        per_sample = max(1, max_configurations // self.posterior_D_K.shape[1])
        cumulative_K_D = (self.weights_D.unsqueeze(1) * self.posterior_D_K).T.cumsum(dim=1)
        return _inverse_cdf(cumulative_K_D, per_sample, generator).flatten()

    def _with_drawn_label(self, probs_K_C: Tensor, rows_M: Tensor, generator: torch.Generator) -> "Configurations":
        """Extend each drawn configuration by a label from p(y | w_k) of the sample for which it was drawn."""
        num_samples, num_classes = probs_K_C.shape
        labels_K_S = _inverse_cdf(probs_K_C.cumsum(dim=1), len(rows_M) // num_samples, generator)
        distinct_D, longer_M, draws_D = torch.unique(
            rows_M * num_classes + labels_K_S.flatten(), return_inverse=True, return_counts=True
        )
        joint_D_K = self.posterior_D_K[distinct_D // num_classes] * probs_K_C.T[distinct_D % num_classes]
        return Configurations(draws_D.double() / len(rows_M), joint_D_K / joint_D_K.sum(dim=1, keepdim=True), longer_M)


def _inverse_cdf(cumulative_K_X: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Draw values_K_S, `draws` values from each of K unnormalised cumulative distributions over X values."""
    uniform_K_S = torch.rand(len(cumulative_K_X), draws, dtype=torch.float64, generator=generator)
    total_K_1 = cumulative_K_X[:, -1:]
    below_total_K_1 = torch.nextafter(total_K_1, torch.zeros_like(total_K_1))
    points_K_S = torch.minimum(uniform_K_S.to(cumulative_K_X.device) * total_K_1, below_total_K_1)
    return torch.searchsorted(cumulative_K_X.contiguous(), points_K_S, right=True)


def merging_bytes(num_samples: int, num_configurations: int) -> int:
    """Estimate the bytes that the eigenproblems of `MergedConfigurations.of` hold on a CPU; 0 if it is not worth it."""
    if num_samples > _MOST_SAMPLES or num_configurations < 2 * (_DIRECTIONS + 2):
        return 0
    return 3 * 8 * num_samples**3


@dataclass(frozen=True)
class MergedConfigurations:
    """L <= K cells of merged configurations, with bounds of the variance within each cell.

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
        """Return whether the bound takes at most half the work of the gains, and its moments are cheap enough.

        With more than `_MOST_SAMPLES` samples, the eigenproblems cost more than they save.
        """
        num_configurations, num_samples = configurations.posterior_D_K.shape
        if num_samples > _MOST_SAMPLES or num_configurations < 2 * (_DIRECTIONS + 2):
            return False
        cells = int(configurations.cells(1).max()) + 1
        return num_configurations >= 2 * (_DIRECTIONS + 2) * cells

    @classmethod
    def of(cls, configurations: Configurations) -> "MergedConfigurations":
        """Merge configurations by their most probable sample.

        Costs O(D K²) time and an eigenproblem of K x K for each of at most K cells. Holds about 3 K³ float64 values,
        and two copies of the table of configurations while it computes the moments.
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
        values_L_K, vectors_L_K_K = torch.linalg.eigh(scaled_L_K_K)  # in order of increasing eigenvalue
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
        """Return lower_n, a lower bound of `Configurations.information` for each of n points; float64, at least 0.

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
