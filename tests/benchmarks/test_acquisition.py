"""The gate for choosing a batch: BALD scores, the three rules over scores, and BatchBALD's two kinds of step."""

from dataclasses import dataclass, field

import torch
from softal_plugins.acquisitions.bald import BALD
from softal_plugins.acquisitions.batchbald import BatchBALD
from softal_plugins.acquisitions.power import Power
from softal_plugins.acquisitions.softmax import Softmax
from softal_plugins.acquisitions.softrank import Softrank
from torch import Tensor

from benchmarks.controls import Control, draws_and_sort, draws_and_top, entropy_pass, joint_entropies, log_probs, seeded
from softal_bench.conformance.timing import AgainstControl
from softal_bench.contracts import AcquisitionFunction, OneSampleScore, Pool
from softal_bench.pools import TensorPool

POINTS = 100_000
BATCH = 100
CHUNK = 500


@dataclass(frozen=True)
class StoredScores(OneSampleScore):
    """Scores that cost nothing, so that only the rule takes time."""

    scores_N: Tensor = field(default_factory=lambda: torch.rand(POINTS, generator=seeded(), dtype=torch.float64))

    def scores(self, pool: Pool) -> Tensor:
        return self.scores_N


def test_bald_scoring(against_control: AgainstControl) -> None:
    log_probs_N_K_C = log_probs(4000, 20, 10)
    pool = TensorPool(log_probs_N_K_C, CHUNK)
    against_control(lambda: BALD().scores(pool), entropy_pass(log_probs_N_K_C, CHUNK))


def test_softmax(against_control: AgainstControl) -> None:
    gate_rule(Softmax(StoredScores()), draws_and_top(POINTS, BATCH), against_control)


def test_power(against_control: AgainstControl) -> None:
    gate_rule(Power(StoredScores()), draws_and_top(POINTS, BATCH), against_control)


def test_softrank(against_control: AgainstControl) -> None:
    gate_rule(Softrank(StoredScores()), draws_and_sort(POINTS), against_control)


def gate_rule(rule: AcquisitionFunction, control: Control, against_control: AgainstControl) -> None:
    pool, generator = TensorPool(log_probs(POINTS, 1, 2)), seeded()
    against_control(lambda: rule.select(pool, BATCH, generator), control)


def test_batchbald_exact(against_control: AgainstControl) -> None:
    """All four joint entropies are exact: there are at most 10^4 label configurations, no more than M."""
    gate_batchbald(BatchBALD(joint_samples=10_000), 4, against_control)


def test_batchbald_sampled(against_control: AgainstControl) -> None:
    """Three joint entropies are exact, then five are estimated from M drawn label configurations."""
    gate_batchbald(BatchBALD(joint_samples=1000), 8, against_control)


def gate_batchbald(acquisition: BatchBALD, batch_size: int, against_control: AgainstControl) -> None:
    log_probs_N_K_C = log_probs(400, 20, 10)
    pool = TensorPool(log_probs_N_K_C)
    control = joint_entropies(log_probs_N_K_C, configurations=1000, blocks=12)
    against_control(lambda: acquisition.select(pool, batch_size, seeded()), control)
