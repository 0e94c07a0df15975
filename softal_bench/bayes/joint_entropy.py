"""Joint entropies of a batch's labels under K posterior samples, and what one more point adds to them, in nats.

For a batch with labels Y_1..Y_b, a *configuration* y is one value for each of them. The distinct configurations are
kept, each with its weight v_m (the weights sum to 1) and its posterior over the K samples,

    r_mk = p(w_k | y_m) = p(y_m | w_k) / sum_j p(y_m | w_j).

By the chain rule what one more point adds needs nothing else, its entropy and its mutual information with the weights:

    H[Y | Y_1..Y_b]    = sum_m v_m H[ sum_k r_mk p(Y | x, w_k) ],
    I[Y; Ω | Y_1..Y_b] = sum_m v_m ( H[ sum_k r_mk p(Y | x, w_k) ] - sum_k r_mk H[Y | x, w_k] ).

While C^b <= M all configurations are kept, with v_m = p(y_m), and the values are exact. After that, M//K configurations
are drawn for each sample w_k from p(y | w_k); pooled, they are draws from the mixture p(y) = mean_k p(y | w_k), so each
draw weighs 1/M (this is the importance-weighted estimator of Kirsch et al. 2019, "BatchBALD", section 3, written with
the chain rule). Both estimators are unbiased. That of the information subtracts the conditional entropy draw by draw,
as a control variate: each of its terms is a mutual information, at least 0, so its error shrinks with the information
that is left, and it falls when configurations are told apart less (`Configurations.coarser`). Products of many
probabilities never appear, so nothing underflows however large the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.information import block_elements, p_log_p

_LEAST_LOG_PROB = (
    -650.0
)  # in place of -inf, so that p log p is 0 without a test; its exponential is no subnormal number
_DIRECTIONS = 2  # R
_MOST_SAMPLES = 256  # K
_LEAST_SQUARE = 1e-30  # of d_k, so that nothing is divided by 0; the inequality holds for every d > 0
_ROUNDING = 1e-12  # nats, more than the rounding of the bound in float64


@dataclass(frozen=True)
class Points:
    """What joint entropies need of n points, float64.

    Attributes:
        probs_n_C_K: p(y=c | x_n, w_k).
        conditional_n_K: H[Y | x_n, w_k].
    """

    probs_n_C_K: Tensor
    conditional_n_K: Tensor

    @classmethod
    def of(cls, log_probs_n_K_C: Tensor) -> "Points":
        """What is needed of log-probs in any floating dtype."""
        return cls.of_classes_first(classes_first(log_probs_n_K_C))

    @classmethod
    def of_classes_first(cls, log_probs_n_C_K: Tensor) -> "Points":
        """The same from what `classes_first` returned, which costs half of it."""
        exact_n_C_K = log_probs_n_C_K.double()
        probs_n_C_K = exact_n_C_K.exp()
        return cls(probs_n_C_K, -(exact_n_C_K * probs_n_C_K).sum(dim=1))

    def __len__(self) -> int:
        return len(self.probs_n_C_K)

    def __getitem__(self, chosen: Tensor | slice) -> "Points":
        return Points(self.probs_n_C_K[chosen], self.conditional_n_K[chosen])


def classes_first(log_probs_n_K_C: Tensor) -> Tensor:
    """log_probs_n_C_K in the same dtype, finite and contiguous, so that sums and products run along the K samples."""
    return log_probs_n_K_C.transpose(1, 2).clamp_min(_LEAST_LOG_PROB).contiguous()


@dataclass(frozen=True)
class Configurations:
    """The distinct label configurations of the batch so far, D of them.

    Attributes:
        weights_D: v_m, float64, summing to 1.
        posterior_D_K: r_mk, float64, each row summing to 1.
        rows_M: once configurations are drawn: for each draw the row that it is in; those for sample w_k come in turn.
    """

    weights_D: Tensor
    posterior_D_K: Tensor
    rows_M: Tensor | None = None

    @classmethod
    def empty(cls, num_samples: int, device: torch.device) -> "Configurations":
        """The one configuration of an empty batch, under which all K samples are equally likely."""
        return cls(
            torch.ones(1, dtype=torch.float64, device=device),
            torch.full((1, num_samples), 1 / num_samples, dtype=torch.float64, device=device),
        )

    def added_entropy(self, points: Points) -> Tensor:
        """H[Y_n | Y_1..Y_b] for each of n points, given the batch so far. Returns entropy_n, float64.

        Costs O(n D K C) time, as one matrix product, and a block of memory.
        """
        num_points, num_classes, _ = points.probs_n_C_K.shape
        added_n: Tensor = torch.zeros(num_points, dtype=torch.float64, device=points.probs_n_C_K.device)
        for block, rows, predictive_nC_d in self._predictives(points):
            summands_nC = predictive_nC_d.log().mul_(predictive_nC_d) @ self.weights_D[rows]
            added_n[block] -= summands_nC.view(-1, num_classes).sum(dim=-1)
        return added_n

    def information(self, points: Points) -> Tensor:
        """I[Y_n; Ω | Y_1..Y_b] for each of n points, given the batch so far. Returns information_n, float64.

        It is at least 0 up to rounding. Costs what `added_entropy` costs.
        """
        sample_probs_K = self.weights_D @ self.posterior_D_K  # 1/K each, up to the chance of the draws
        information_n: Tensor = self.added_entropy(points) - points.conditional_n_K @ sample_probs_K
        return information_n

    def standard_error(self, points: Points) -> Tensor:
        """The standard error of `information` over the draws of configurations, 0 where it is exact. Float64, [n].

        It is sqrt(Var_m[I_m] / M) with I_m the information given configuration m; the draws are M//K for each sample
        in place of M from the mixture, which makes the true error smaller.
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
        """Configurations told apart less: by their most probable sample, and by its probability in `parts` equal parts.

        Entropy is concave, so merging configurations raises `information` of every point, or leaves it: it is an upper
        bound from at most K `parts` rows, for the same draws.
        """
        return self.merged(self.cells(parts))

    def cells(self, parts: int) -> Tensor:
        """cell_D, which cell `coarser` merges each configuration into: 0, 1, ... without gaps."""
        largest_D, sample_D = self.posterior_D_K.max(dim=1)
        part_D = (largest_D * parts).long().clamp_max(parts - 1)
        cell_D: Tensor = torch.unique(sample_D * parts + part_D, return_inverse=True)[1]
        return cell_D

    def merged(self, cell_D: Tensor) -> "Configurations":
        """One configuration for each cell, with the total weight and the mean posterior of those in it."""
        cells = int(cell_D.max()) + 1
        weights_d = self.weights_D.new_zeros(cells).index_add_(0, cell_D, self.weights_D)
        joint_D_K = self.weights_D.unsqueeze(1) * self.posterior_D_K
        joint_d_K = joint_D_K.new_zeros(cells, joint_D_K.shape[1]).index_add_(0, cell_D, joint_D_K)
        return Configurations(weights_d, joint_d_K / weights_d.unsqueeze(1))

    def extended(self, log_probs_K_C: Tensor, max_configurations: int, generator: torch.Generator) -> "Configurations":
        """The configurations of the batch with one more point: `max_configurations` at most, but at least K."""
        probs_K_C = log_probs_K_C.double().exp()
        if self.rows_M is None and len(self.weights_D) * probs_K_C.shape[1] <= max_configurations:
            return self._enumerated(probs_K_C)
        rows_M = self._drawn(max_configurations, generator) if self.rows_M is None else self.rows_M
        return self._with_drawn_label(probs_K_C, rows_M, generator)

    def _predictives(self, points: Points) -> Iterator[tuple[slice, slice, Tensor]]:
        """Yield (points, rows, sum_k r_mk p(y=c | x_n, w_k)) until each pair of point and row came once."""
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
        possible_DC = weights_DC > 0  # a label that no sample allows adds nothing
        posterior_DC_K = (joint_D_C_K / predictive_D_C.unsqueeze(-1)).flatten(0, 1)
        return Configurations(weights_DC[possible_DC], posterior_DC_K[possible_DC])

    def _drawn(self, max_configurations: int, generator: torch.Generator) -> Tensor:
        """rows_M: for each sample w_k in turn, M//K rows drawn from p(y_m | w_k), proportional to v_m r_mk."""
        per_sample = max(1, max_configurations // self.posterior_D_K.shape[1])
        cumulative_K_D = (self.weights_D.unsqueeze(1) * self.posterior_D_K).T.cumsum(dim=1)
        return _inverse_cdf(cumulative_K_D, per_sample, generator).flatten()

    def _with_drawn_label(self, probs_K_C: Tensor, rows_M: Tensor, generator: torch.Generator) -> "Configurations":
        """Each drawn configuration with one more label, from p(y | w_k) of the sample that it was drawn for."""
        num_samples, num_classes = probs_K_C.shape
        labels_K_S = _inverse_cdf(probs_K_C.cumsum(dim=1), len(rows_M) // num_samples, generator)
        distinct_D, longer_M, draws_D = torch.unique(
            rows_M * num_classes + labels_K_S.flatten(), return_inverse=True, return_counts=True
        )
        joint_D_K = self.posterior_D_K[distinct_D // num_classes] * probs_K_C.T[distinct_D % num_classes]
        return Configurations(draws_D.double() / len(rows_M), joint_D_K / joint_D_K.sum(dim=1, keepdim=True), longer_M)


def _inverse_cdf(cumulative_K_X: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Draw `draws` times from each of K unnormalised cumulative distributions over X values. Returns values_K_S."""
    uniform_K_S = torch.rand(len(cumulative_K_X), draws, dtype=torch.float64, generator=generator)
    total_K_1 = cumulative_K_X[:, -1:]
    below_total_K_1 = torch.nextafter(total_K_1, torch.zeros_like(total_K_1))
    points_K_S = torch.minimum(uniform_K_S.to(cumulative_K_X.device) * total_K_1, below_total_K_1)
    return torch.searchsorted(cumulative_K_X.contiguous(), points_K_S, right=True)


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
