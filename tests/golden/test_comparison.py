"""What counts as a difference, what rounding may change, and when a new golden file is needed."""

import copy
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from softal_bench.contracts import OneSampleScore
from softal_bench.pools import TensorPool
from softal_bench.registry import Plugin, acquisitions
from softal_bench.suite.condition import PROTOCOL_REVISION

from . import __main__ as command
from . import compare as comparison
from .compare import Difference, compare, differences, failure, read_golden, round_differences
from .margins import SCORE_TOLERANCE, margins
from .record import Record
from .test_plants import start_set_sorted
from .trials import TRIALS

TEST_SIZE = 500
NAME = "mlp_bald"


@pytest.fixture
def was(golden: Record) -> Record:
    """Return a golden round whose picks are all decided."""
    entry: Record = copy.deepcopy(golden["trials"][NAME]["rounds"][0])
    entry["margins"] = [0.1] * len(entry["acquired"])
    return entry


@pytest.fixture
def now(was: Record) -> Record:
    """Return the same round as if computed again, for tests to change."""
    return copy.deepcopy(was)


def fields(was: Record, now: Record) -> list[str]:
    return [difference.field for difference in round_differences(NAME, 0, was, now, TEST_SIZE)]


def test_equal_rounds_do_not_differ(was: Record, now: Record) -> None:
    assert fields(was, now) == []


@pytest.mark.parametrize(("change", "expected"), [(0.0009, []), (-0.0009, []), (0.0011, ["nll"]), (-0.0011, ["nll"])])
def test_nll_may_differ_by_a_thousandth(was: Record, now: Record, change: float, expected: list[str]) -> None:
    now["nll"] += change
    assert fields(was, now) == expected


def test_a_missing_number_or_nan_is_a_difference(was: Record, now: Record) -> None:
    now["nll"] = float("nan")
    del now["log_probs"]
    assert fields(was, now) == ["nll", "log_probs"]


def test_each_mean_log_prob_and_score_may_differ_by_a_thousandth(was: Record, now: Record) -> None:
    now["log_probs"][2][7] += 0.0009
    now["scores"][3] -= 0.0009
    assert fields(was, now) == []
    now["log_probs"][2][7] += 0.0002
    now["scores"][3] -= 0.0002
    assert fields(was, now) == ["log_probs", "scores"]


@pytest.mark.parametrize(("examples", "expected"), [(2, []), (-2, []), (3, ["accuracy"]), (-3, ["accuracy"])])
def test_two_test_examples_may_have_another_class(was: Record, now: Record, examples: int, expected: list[str]) -> None:
    now["accuracy"] += examples / TEST_SIZE
    assert fields(was, now) == expected


@pytest.mark.parametrize("field", ["labelled", "validation"])
def test_indices_given_to_the_model_are_compared_in_order(was: Record, now: Record, field: str) -> None:
    now[field][:2] = now[field][1::-1]
    assert fields(was, now) == [field]


def test_seeds_masks_and_best_epoch_are_compared_exactly(was: Record, now: Record) -> None:
    now["seeds"]["posterior"] += 1
    now["masks"]["posterior"]["sha256"] = "0" * 16
    now["best_epoch"] += 1
    assert fields(was, now) == ["seeds", "masks", "best_epoch"]


def test_a_seed_that_is_no_longer_used_is_a_difference(was: Record, now: Record) -> None:
    del now["seeds"]["evaluation"]
    assert fields(was, now) == ["seeds"]


def test_picks_are_compared_until_the_first_undecided_one(was: Record, now: Record) -> None:
    was["margins"][2] = -1e-6
    now["acquired"][2:] = [-1, -2]
    now["scores"][2:] = [9.0, 9.0]
    assert fields(was, now) == []
    now["acquired"][1] = -3
    assert fields(was, now) == ["acquired"]


def test_every_pick_is_compared_without_scores(was: Record, now: Record) -> None:
    was["margins"] = None
    now["acquired"][-1] = -1
    assert fields(was, now) == ["acquired"]


def test_a_batch_of_another_size_is_a_difference(was: Record, now: Record) -> None:
    was["margins"][0] = -1.0
    now["acquired"].pop()
    assert fields(was, now) == ["acquired"]


def test_each_round_starts_from_the_previous_golden_rounds(golden: Record, golden_data: Path) -> None:
    entry = copy.deepcopy(golden["trials"]["mlp_uniform"])
    never_acquired = next(index for index in range(1297) if index not in entry["rounds"][2]["labelled"])
    entry["rounds"][0]["acquired"][0] = never_acquired
    found = list(differences("mlp_uniform", entry, golden_data))
    assert [difference.field for difference in found if difference.round == 0] == ["acquired"]
    assert "labelled" in [difference.field for difference in found if difference.round == 1]


def test_a_trial_that_raises_differs(golden: Record, golden_data: Path) -> None:
    entry = copy.deepcopy(golden["trials"]["mlp_uniform"])
    entry["rounds"][0]["acquired"][0] = 5000
    *_, last = differences("mlp_uniform", entry, golden_data)
    assert (last.round, last.field) == (1, "error")


def test_the_comparison_can_be_called_as_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compare(["mlp_uniform"]) == []
    start_set_sorted(monkeypatch)
    first = compare(["mlp_uniform"])[0]
    assert (first.trial, first.round, first.field) == ("mlp_uniform", None, "start")


def test_a_new_protocol_revision_requires_a_new_golden_file(golden: Record, golden_data: Path) -> None:
    older = golden | {"protocol_revision": golden["protocol_revision"] - 1}
    problem = failure("mlp_uniform", older, golden_data)
    assert problem is not None
    assert "PROTOCOL_REVISION" in problem
    assert "Regenerate the golden file with `python -m tests.golden`" in problem


def test_a_new_plugin_revision_requires_a_new_golden_file(
    golden: Record, golden_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = copy.deepcopy(golden)
    older["trials"]["mlp_uniform"]["revisions"]["mlp"] = "0"
    problem = failure("mlp_uniform", older, golden_data)
    assert problem is not None
    assert "'mlp': '0'" in problem
    assert "Regenerate" in problem


def test_a_new_or_edited_trial_requires_a_new_golden_file(
    golden: Record, golden_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRIALS, "another", TRIALS["mlp_uniform"])
    monkeypatch.setitem(TRIALS, "mlp_uniform", TRIALS["mlp_uniform"] | {"seed": 12})
    for name in ("another", "mlp_uniform"):
        assert "Regenerate" in str(failure(name, golden, golden_data))


@pytest.fixture
def only_one_trial(golden: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a golden file with one trial into a folder of its own."""
    path = tmp_path / "golden.json"
    trials = {"mlp_uniform": golden["trials"]["mlp_uniform"]}
    path.write_text(command.as_text(golden | {"trials": trials}), encoding="utf-8")
    for module in (comparison, command):
        monkeypatch.setattr(module, "GOLDEN_FILE", path)
        monkeypatch.setattr(module, "TRIALS", {"mlp_uniform": TRIALS["mlp_uniform"]})
    return path


def test_a_regenerated_file_has_the_current_results(only_one_trial: Path) -> None:
    only_one_trial.unlink()
    result = CliRunner().invoke(command.regenerate)
    assert result.exit_code == 0, result.output
    assert compare(golden=read_golden()) == []


def test_regeneration_is_refused_if_results_change_without_a_new_revision(
    only_one_trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = only_one_trial.read_text(encoding="utf-8")
    start_set_sorted(monkeypatch)
    result = CliRunner().invoke(command.regenerate)
    assert result.exit_code == 1
    assert "mlp_uniform: start" in result.output
    assert only_one_trial.read_text(encoding="utf-8") == before
    higher = PROTOCOL_REVISION + 1
    for module in (comparison, command):
        monkeypatch.setattr(module, "PROTOCOL_REVISION", higher)
    assert CliRunner().invoke(command.regenerate).exit_code == 0
    assert read_golden()["protocol_revision"] == higher


# An acquisition function, and the spread of the logits of a pool, chosen so that some scores are close.
CLOSE: list[tuple[object, float]] = [
    ("bald", 0.1),
    ("entropy", 0.4),
    ("variation_ratios", 0.1),
    ({"softmax": {"score": "bald", "temperature": 0.001}}, 0.1),
    ({"softmax": {"score": "bald", "temperature": 0.003}}, 0.1),
    ({"power": {"score": "bald", "temperature": 0.125}}, 0.1),
    ({"power": {"score": "bald", "temperature": 1.0}}, 0.1),
    ({"softrank": {"score": "bald", "temperature": 0.125}}, 0.1),
    ({"softrank": {"score": "bald", "temperature": 1.0}}, 0.1),
]


def a_pool(seed: int, spread: float) -> Tensor:
    """Return log_probs_N_K_C with this spread of logits."""
    logits = torch.randn(60, 6, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (spread * logits).log_softmax(dim=-1)


def picks(plugin: Plugin, log_probs_N_K_C: Tensor, seed: int) -> list[int]:  # type: ignore[type-arg]
    generator = torch.Generator().manual_seed(seed)
    chosen: list[int] = plugin.instance.select(TensorPool(log_probs_N_K_C), 6, generator).positions.tolist()
    return chosen


@pytest.mark.parametrize(("spec", "spread"), CLOSE, ids=str)
def test_decided_picks_do_not_change_with_scores_within_the_tolerance(spec: object, spread: float) -> None:
    plugin = acquisitions.resolve(spec)
    score = plugin.nested[0].instance if plugin.nested else plugin.instance
    assert isinstance(score, OneSampleScore)
    changed = compared = 0
    for seed in range(40):
        exact, noise = a_pool(seed, spread), a_pool(1000 + seed, 1.0)
        size = 1e-3
        while True:
            perturbed = (exact + size * noise).log_softmax(dim=-1)
            off = (score.scores(TensorPool(exact)) - score.scores(TensorPool(perturbed))).abs().max()
            if off < SCORE_TOLERANCE / 2:
                break
            size *= 0.7
        before, after = picks(plugin, exact, seed), picks(plugin, perturbed, seed)
        found = margins(plugin, TensorPool(exact), torch.Generator().manual_seed(seed), before)
        firm = comparison.decided({"acquired": before, "margins": found})
        assert before[:firm] == after[:firm]
        changed += before != after
        compared += firm
    assert compared > 20
    assert changed, "no pick changed, so nothing was shown"


def test_a_pick_that_is_not_the_best_has_no_margin() -> None:
    plugin, pool = acquisitions.resolve("bald"), TensorPool(a_pool(0, 0.5))
    best = plugin.instance.select(pool, 3, torch.Generator()).positions.tolist()
    assert margins(plugin, pool, torch.Generator(), best)
    with pytest.raises(AssertionError, match=r"pick 0 \(position \d+\) does not have the largest key"):
        margins(plugin, pool, torch.Generator(), best[::-1])


def test_a_difference_names_its_place() -> None:
    assert str(Difference("mlp_bald", 1, "nll", "was 1, is 2")) == "mlp_bald, round 1: nll: was 1, is 2"
    assert str(Difference("mlp_bald", None, "start", "was [], is [1]")) == "mlp_bald: start: was [], is [1]"
