"""The peers beside this suite's own functions, on the same pools: the same scores, batches and distributions."""

import gc
from collections import Counter
from collections.abc import Iterator
from math import sqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from softal_bench.conformance import check_acquisition
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction
from softal_bench.errors import SelectionError
from softal_bench.pools import TensorPool
from softal_bench.registry import acquisitions

for library in ("batchbald_redux", "baal"):
    pytest.importorskip(library, reason=f"{library} is not installed; `make test-peers` runs these tests with it")

NAMES = ["redux_bald", "redux_batchbald", "baal_bald", "baal_batchbald", "baal_power", "baal_softmax", "baal_softrank"]
RULES = [("baal_softmax", "softmax"), ("baal_power", "power"), ("baal_softrank", "softrank")]


@pytest.fixture(scope="module", autouse=True)
def _few_objects_to_collect() -> Iterator[None]:
    """batchbald_redux runs the garbage collector before every pass, over all that pytest has imported else."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def predictions(size: int, num_samples: int = 12, num_classes: int = 4, spread: float = 1.5) -> Tensor:
    """log_probs_N_K_C, float64, of points from nearly certain to undecided."""
    generator = torch.Generator().manual_seed(size)
    common_N_1_C = torch.randn(size, 1, num_classes, generator=generator, dtype=torch.float64) * 2
    own_N_K_C = torch.randn(size, num_samples, num_classes, generator=generator, dtype=torch.float64)
    log_probs_N_K_C: Tensor = (common_N_1_C + spread * own_N_K_C).log_softmax(dim=-1)
    return log_probs_N_K_C


def build(name: str, **parameters: float) -> AcquisitionFunction:
    return acquisitions.build(name, parameters)


def choose(acquisition: AcquisitionFunction, log_probs: Tensor, batch_size: int, seed: int = 0) -> AcquiredBatch:
    return acquisition.select(TensorPool(log_probs, chunk_size=64), batch_size, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
def test_a_peer_follows_the_rules_of_acquisition_functions(name: str) -> None:
    fewer = {"joint_samples": 200} if name.endswith("batchbald") else {}
    assert [result for result in check_acquisition(build(name, **fewer)) if result.failed] == []


@pytest.mark.parametrize("name", ["redux_bald", "baal_bald"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bald_gives_the_same_batch_and_scores_as_ours(name: str, dtype: torch.dtype) -> None:
    log_probs = predictions(300).to(dtype)
    theirs, ours = choose(build(name), log_probs, 50), choose(build("bald"), log_probs, 50)
    assert theirs.positions.tolist() == ours.positions.tolist()
    torch.testing.assert_close(theirs.scores, ours.scores, atol=1e-6, rtol=0)


def test_batchbald_redux_selects_the_same_points_while_entropies_are_exact() -> None:
    log_probs = predictions(200)
    theirs = choose(build("redux_batchbald", joint_samples=1024), log_probs, 6)  # C^5 = 1024
    ours = choose(build("batchbald", joint_samples=1024), log_probs, 6)
    assert theirs.positions.tolist() == ours.positions.tolist()
    torch.testing.assert_close(theirs.scores, ours.scores.cumsum(0), atol=1e-6, rtol=0)  # information, and gains of it


def test_baals_batchbald_selects_b_points_including_the_best() -> None:
    """Asked for B points, it takes B + 1 and ranks the first of all last; the plugin asks for B - 1."""
    log_probs = predictions(200)
    batch = choose(build("baal_batchbald", joint_samples=6000), log_probs, 4).positions.tolist()
    assert choose(build("bald"), log_probs, 1).positions.item() in batch
    assert len(set(batch)) == 4


def test_baals_batchbald_matches_full_greedy_search_if_gains_differ_enough() -> None:
    log_probs = predictions(12, num_samples=4, num_classes=3, spread=3.0)
    theirs = choose(build("baal_batchbald", joint_samples=40_000), log_probs, 3).positions.tolist()
    assert sorted(theirs) == sorted(choose(build("batchbald"), log_probs, 3).positions.tolist())


@pytest.mark.parametrize(("name", "ours"), RULES)
def test_a_stochastic_rule_draws_first_points_with_the_papers_probabilities(name: str, ours: str) -> None:
    """Frequencies of the first of two points, within 4.5 standard errors of p_i proportional to w_i."""
    log_probs, draws = predictions(6, spread=2.5), 4000
    scores_N = bald_by_hand(log_probs)
    weights_N = {
        "softmax": (scores_N / 0.25).exp(),
        "power": scores_N**4,
        "softrank": (scores_N.argsort(descending=True).argsort() + 1.0) ** -4,
    }[ours]
    probs_N = (weights_N / weights_N.sum()).tolist()
    rule, generator = build(name, temperature=0.25), torch.Generator().manual_seed(1)
    pool = TensorPool(log_probs)
    counts = Counter(int(rule.select(pool, 2, generator).positions[0]) for _ in range(draws))
    for position, prob in enumerate(probs_N):
        error = sqrt(prob * (1 - prob) / draws)
        assert counts[position] / draws == pytest.approx(prob, abs=4.5 * error + 1 / draws), position


def bald_by_hand(log_probs: Tensor) -> Tensor:
    """H of the mean less the mean of H."""
    probs = log_probs.exp()
    mean = probs.mean(dim=1)
    scores: Tensor = -(mean * mean.log()).sum(-1) + (probs * log_probs).sum((1, 2)) / probs.shape[1]
    return scores


@pytest.mark.parametrize("name", NAMES)
def test_numpys_global_generator_is_not_changed(name: str) -> None:
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    choose(build(name), predictions(30), 4)
    assert np.random.rand() == expected


@pytest.mark.parametrize("name", ["redux_bald", "redux_batchbald"])
def test_progress_bars_are_disabled_and_restored(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    from batchbald_redux import batchbald

    bars = vars(batchbald)["tqdm"]
    choose(build(name), predictions(30), 4)
    assert capfd.readouterr() == ("", "")
    assert vars(batchbald)["tqdm"] is bars


@pytest.mark.parametrize("name", ["redux_batchbald", "baal_batchbald"])
def test_fewer_label_configurations_than_samples_are_rejected(name: str) -> None:
    with pytest.raises(SelectionError, match=r"joint_samples is 8, but .* with K = 12 it has to be at least 12"):
        choose(build(name, joint_samples=8), predictions(30), 4)


@pytest.mark.parametrize(
    ("name", "parameters"), [("baal_power", {"temperature": 0.0}), ("redux_batchbald", {"joint_samples": 0})]
)
def test_invalid_parameters_are_rejected(name: str, parameters: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is 0"):
        acquisitions.load(name)(**parameters)
