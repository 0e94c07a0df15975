"""batchbald_redux: BALD and BatchBALD by the authors of BatchBALD (https://github.com/BlackHC/batchbald_redux).

Both run Python's garbage collector before each pass over the pool (through toma), which costs tenths of a second where
a process holds many objects. Cost suites set those aside that were there before the measurement (`gc.freeze`).
"""

from dataclasses import dataclass, field
from typing import Any

import torch

from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits

from ._global_state import seeded_globals, without_progress_bars
from ._pool_tensors import draws_a_sample, finite_log_probs, require_joint_samples


@dataclass(frozen=True)
class ReduxBALD(AcquisitionFunction):
    """BALD by `batchbald_redux.batchbald.get_bald_batch`: the top B of H[p̄_n] - mean_k H[p_nk], in nats.

    As the paper defines it. Entropies are summed in the pool's type and their difference taken in float64, so scores of
    sure points can be negative by rounding; ties break as `torch.topk` does. Log-probs of 0 probabilities would give
    NaN there and are raised to -40 before.
    """

    citation = "batchbald_redux 2, Kirsch et al. 2019; BALD: Houlsby et al. 2011, arXiv:1112.5745"
    cost = "O(N K C) time and memory"

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        from batchbald_redux import batchbald

        log_probs_N_K_C = finite_log_probs(pool)
        with without_progress_bars(batchbald):
            return _acquired(batchbald.get_bald_batch(log_probs_N_K_C, batch_size), pool.device)


@dataclass(frozen=True)
class ReduxBatchBALD(AcquisitionFunction):
    """BatchBALD by `batchbald_redux.batchbald.get_batchbald_batch`, joint entropies in float64, as it recommends.

    As the paper defines it: full greedy search, joint entropies exact while C^i <= M label configurations, estimated
    from M // K drawn ones a posterior sample after that, drawn anew for every pick. The scores are not gains: each is
    the mutual information I[Y_1..Y_i; Ω] of the batch so far, in nats. Conditional entropies are summed in the pool's
    type. Log-probs of 0 probabilities would give NaN there and are raised to -40 before. Where there is a CUDA device,
    N scores of a CPU pool lie in pinned memory too.
    """

    joint_samples: int = field(default=10_000, metadata={"symbol": "M"})

    citation = "batchbald_redux 2; Kirsch, van Amersfoort and Gal 2019, arXiv:1906.08158"
    cost = "O(B N M K C) time; N x K x C log-probs and up to 1024 x M x C joint probabilities in memory"
    stochastic = True  # once label configurations are drawn

    def __post_init__(self) -> None:
        require_joint_samples(self.joint_samples)

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        log_probs_N_K_C = finite_log_probs(pool)
        _, num_samples, num_classes = log_probs_N_K_C.shape
        if num_classes ** (batch_size - 1) > self.joint_samples:
            draws_a_sample("batchbald_redux", self.joint_samples, num_samples)
        from batchbald_redux import batchbald, joint_entropy

        with seeded_globals(generator, pool.device), without_progress_bars(batchbald, joint_entropy):
            chosen = batchbald.get_batchbald_batch(
                log_probs_N_K_C, batch_size, self.joint_samples, dtype=torch.double, device=pool.device
            )
        return _acquired(chosen, pool.device)


def _acquired(chosen: Any, device: torch.device) -> AcquiredBatch:
    return AcquiredBatch(
        torch.tensor(chosen.indices, dtype=torch.int64, device=device),
        torch.tensor(chosen.scores, dtype=torch.float64, device=device),
    )
