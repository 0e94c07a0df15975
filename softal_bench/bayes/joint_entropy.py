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

    @property
    def exact(self) -> bool:
        """Whether all configurations are there, none drawn."""
        return self.rows_M is None

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


def joint_entropy(
    log_probs_B_K_C: Tensor, max_configurations: int = 100_000, generator: torch.Generator | None = None
) -> Tensor:
    """H[Y_1..Y_B] of a batch, in nats: exact while C^(B-1) <= max_configurations, estimated from samples after that.

    Args:
        log_probs_B_K_C: the batch's log-probs.
        max_configurations: M, the most label configurations kept.
        generator: a CPU generator, for the sampled part.

    Returns:
        A float64 scalar.

    Source: Kirsch et al. 2019, "BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active Learning".
    """
    generator = generator or torch.Generator()
    configurations = Configurations.empty(log_probs_B_K_C.shape[1], log_probs_B_K_C.device)
    total = torch.zeros((), dtype=torch.float64, device=log_probs_B_K_C.device)
    for log_probs_K_C in log_probs_B_K_C:
        total = total + configurations.added_entropy(Points.of(log_probs_K_C.unsqueeze(0)))[0]
        configurations = configurations.extended(log_probs_K_C, max_configurations, generator)
    return total


def _inverse_cdf(cumulative_K_X: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Draw `draws` times from each of K unnormalised cumulative distributions over X values. Returns values_K_S."""
    uniform_K_S = torch.rand(len(cumulative_K_X), draws, dtype=torch.float64, generator=generator)
    total_K_1 = cumulative_K_X[:, -1:]
    below_total_K_1 = torch.nextafter(total_K_1, torch.zeros_like(total_K_1))
    points_K_S = torch.minimum(uniform_K_S.to(cumulative_K_X.device) * total_K_1, below_total_K_1)
    return torch.searchsorted(cumulative_K_X.contiguous(), points_K_S, right=True)
