"""The engine of BatchBALD: joint entropies of a batch's labels under K posterior samples, in nats.

For a batch with labels Y_1..Y_b, a *configuration* y is one value for each of them. The engine keeps M configurations,
each with its weight v_m (the weights sum to 1) and its posterior over the K samples,

    r_mk = p(w_k | y_m) = p(y_m | w_k) / sum_j p(y_m | w_j).

By the chain rule the entropy that one more point adds needs nothing else:

    H[Y | Y_1..Y_b] = sum_m v_m H[ sum_k r_mk p(Y | x, w_k) ].

While C^b <= M all configurations are kept, with v_m = p(y_m), and the value is exact. After that, M//K configurations
are drawn for each sample w_k from p(y | w_k); pooled, they are draws from the mixture p(y) = mean_k p(y | w_k), so
v_m = 1/M (this is the importance-weighted estimator of Kirsch et al. 2019, "BatchBALD", section 3, written with the
chain rule). Products of many probabilities never appear, so nothing underflows however large the batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.information import conditional_entropy, p_log_p

# Bytes of intermediate results at a time: what a CPU's cache holds, what keeps an accelerator busy.
_CHUNK_BYTES = {"cpu": 2**20, "cuda": 2**26}


@dataclass(frozen=True)
class Configurations:
    """M label configurations of the batch so far.

    Attributes:
        weights_M: v_m, float64, summing to 1.
        posterior_M_K: r_mk, float64, each row summing to 1.
        exact: whether all configurations are there.
    """

    weights_M: Tensor
    posterior_M_K: Tensor
    exact: bool = True

    @classmethod
    def empty(cls, num_samples: int, device: torch.device) -> "Configurations":
        """The one configuration of an empty batch, under which all K samples are equally likely."""
        return cls(
            torch.ones(1, dtype=torch.float64, device=device),
            torch.full((1, num_samples), 1 / num_samples, dtype=torch.float64, device=device),
        )

    def added_entropy(self, log_probs_N_K_C: Tensor) -> Tensor:
        """H[Y_n | Y_1..Y_b] for each of N points, given the batch so far. Returns entropy_N, float64.

        Costs O(N M K C) time, as one matrix product, and a fixed amount of memory beside the log-probs.
        """
        num_points, _, num_classes = log_probs_N_K_C.shape
        elements = _CHUNK_BYTES.get(log_probs_N_K_C.device.type, 2**26) // (8 * num_classes)
        rows = min(len(self.weights_M), elements)
        points = max(1, elements // rows)
        added_N = torch.zeros(num_points, dtype=torch.float64, device=log_probs_N_K_C.device)
        for start in range(0, num_points, points):
            probs_n_K_C = log_probs_N_K_C[start : start + points].double().exp()
            probs_K_nC = probs_n_K_C.transpose(0, 1).flatten(1)
            for weights_m, posterior_m_K in zip(
                torch.split(self.weights_M, rows), torch.split(self.posterior_M_K, rows), strict=True
            ):
                summands_nC = weights_m @ p_log_p(posterior_m_K @ probs_K_nC)
                added_N[start : start + points] -= summands_nC.view(-1, num_classes).sum(dim=-1)
        return added_N

    def extended(self, log_probs_K_C: Tensor, max_configurations: int, generator: torch.Generator) -> "Configurations":
        """The configurations of the batch with one more point: `max_configurations` at most, but at least K."""
        probs_K_C = log_probs_K_C.double().exp()
        if self.exact and len(self.weights_M) * probs_K_C.shape[1] <= max_configurations:
            return self._enumerated(probs_K_C)
        configurations = self._drawn(max_configurations, generator) if self.exact else self
        return configurations._with_drawn_label(probs_K_C, generator)

    def _enumerated(self, probs_K_C: Tensor) -> "Configurations":
        joint_M_C_K = self.posterior_M_K.unsqueeze(1) * probs_K_C.T
        predictive_M_C = joint_M_C_K.sum(dim=-1)
        weights_MC = (self.weights_M.unsqueeze(1) * predictive_M_C).flatten()
        possible_MC = weights_MC > 0  # a label that no sample allows adds nothing
        posterior_MC_K = (joint_M_C_K / predictive_M_C.unsqueeze(-1)).flatten(0, 1)
        return Configurations(weights_MC[possible_MC], posterior_MC_K[possible_MC])

    def _drawn(self, max_configurations: int, generator: torch.Generator) -> "Configurations":
        """For each sample w_k in turn, M//K of these drawn from p(y_m | w_k), proportional to v_m r_mk."""
        per_sample = max(1, max_configurations // self.posterior_M_K.shape[1])
        cumulative_K_M = (self.weights_M.unsqueeze(1) * self.posterior_M_K).T.cumsum(dim=1)
        rows_M = _inverse_cdf(cumulative_K_M, per_sample, generator).flatten()
        weights_M = torch.full_like(rows_M, 1 / len(rows_M), dtype=torch.float64)
        return Configurations(weights_M, self.posterior_M_K[rows_M], exact=False)

    def _with_drawn_label(self, probs_K_C: Tensor, generator: torch.Generator) -> "Configurations":
        """Each drawn configuration with one more label, from p(y | w_k) of the sample that it was drawn for."""
        labels_K_S = _inverse_cdf(probs_K_C.cumsum(dim=1), len(self.weights_M) // len(probs_K_C), generator)
        joint_M_K = self.posterior_M_K * probs_K_C.T[labels_K_S.flatten()]
        return Configurations(self.weights_M, joint_M_K / joint_M_K.sum(dim=1, keepdim=True), exact=False)


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
        total = total + configurations.added_entropy(log_probs_K_C.unsqueeze(0))[0]
        configurations = configurations.extended(log_probs_K_C, max_configurations, generator)
    return total


def batch_bald(
    log_probs_N_K_C: Tensor, batch_size: int, max_configurations: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Greedy search for the batch of largest I[Y_1..Y_B; Ω] = H[Y_1..Y_B] - sum_i E_w H[Y_i | w].

    Each step takes the point of largest gain H[Y | Y_1..Y_b] - E_w H[Y | w]; ties go to the lower position. The total
    is at least (1 - 1/e) of the best batch's, since I[.; Ω] is submodular. Costs O(B N M K C) time.

    Args:
        log_probs_N_K_C: the candidates.
        batch_size: B <= N.
        max_configurations: M, the most label configurations kept of the batch.
        generator: a CPU generator, used only once C^b > M.

    Returns:
        (positions_B, gains_B): the points in the order taken, LongTensor, and the gain of each, float64 nats.
    """
    conditional_N = conditional_entropy(log_probs_N_K_C)
    configurations = Configurations.empty(log_probs_N_K_C.shape[1], log_probs_N_K_C.device)
    positions: list[int] = []
    gains: list[float] = []
    for step in range(batch_size):
        gain_N = configurations.added_entropy(log_probs_N_K_C) - conditional_N
        gain_N[positions] = -torch.inf
        best = int((gain_N == gain_N.max()).nonzero()[0, 0])
        positions.append(best)
        gains.append(float(gain_N[best]))
        if step + 1 < batch_size:
            configurations = configurations.extended(log_probs_N_K_C[best], max_configurations, generator)
    device = log_probs_N_K_C.device
    return torch.tensor(positions, device=device), torch.tensor(gains, dtype=torch.float64, device=device)


def _inverse_cdf(cumulative_K_X: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Draw `draws` times from each of K unnormalised cumulative distributions over X values. Returns values_K_S."""
    uniform_K_S = torch.rand(len(cumulative_K_X), draws, dtype=torch.float64, generator=generator)
    total_K_1 = cumulative_K_X[:, -1:]
    below_total_K_1 = torch.nextafter(total_K_1, torch.zeros_like(total_K_1))
    points_K_S = torch.minimum(uniform_K_S.to(cumulative_K_X.device) * total_K_1, below_total_K_1)
    return torch.searchsorted(cumulative_K_X.contiguous(), points_K_S, right=True)
