"""Time and memory of a suite, forecast from its journals or from a short sample."""

import json
from pathlib import Path

import pytest
import torch
from suite.example import acquiring

from softal_bench.bayes.batch_bald import batch_bald_bytes
from softal_bench.run import forecast as estimate
from softal_bench.run.forecast import Forecast, forecast, seconds_left
from softal_bench.run.trials import trial_jobs

from .conftest import Loader
from .example import CPU, Recorder, journals, of_kind, run

HEAVY = {"batchbald": {"joint_samples": 2_000_000}}


def test_a_condition_with_journals_is_forecast_from_their_rounds(load: Loader, tmp_path: Path) -> None:
    suite = load(matrix=acquiring("bald"), trials=2)
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=6))
    jobs = trial_jobs(suite, tmp_path / "runs")
    rounds = [line for lines in journals(tmp_path / "runs").values() for line in of_kind(lines, "round")]
    seconds = sum(sum(line["seconds"].values()) for line in rounds)
    (foreseen,) = forecast(jobs, tmp_path / "data", CPU).values()
    assert foreseen.rounds == 6
    assert foreseen.seconds == pytest.approx(seconds / 6 * 4)
    assert foreseen.peak_bytes == max(line["peak_bytes"] for line in rounds)
    assert seconds_left(jobs, forecast(jobs, tmp_path / "data", CPU)) == pytest.approx(seconds / 6 * 2)


def test_other_conditions_are_forecast_from_a_sample_to_within_a_factor_of_three(load: Loader, tmp_path: Path) -> None:
    training = {"batch_size": 32, "epoch_draws": 2048, "max_epochs": 3, "patience": 9, "evaluation_samples": 2}
    suite = load(matrix=acquiring("uniform", "bald"), training=training)
    jobs = trial_jobs(suite, tmp_path / "runs")
    before = sorted(tmp_path.rglob("*"))
    foreseen = forecast(jobs, tmp_path / "data", CPU)
    assert sorted(tmp_path.rglob("*")) == before
    run(suite, tmp_path / "runs")
    for job in jobs:
        lines = of_kind([json.loads(line) for line in job.path.read_text().splitlines()], "round")
        took = sum(sum(line["seconds"].values()) for line in lines)
        assert foreseen[job.condition.key(0)].seconds == pytest.approx(took, rel=2)
        assert foreseen[job.condition.key(0)].seconds > took / 3  # type: ignore[operator]


def test_the_largest_joint_table_is_forecast_even_if_the_sample_does_not_reach_it(
    load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "SAMPLE_SECONDS", 3.0)
    suite = load(matrix=acquiring("bald", HEAVY, batch_sizes=(5, 20)), budget=30, posterior_samples=50)
    jobs = trial_jobs(suite, tmp_path / "runs")
    foreseen = forecast([job for job in jobs if "batchbald" in job.name][-1:], tmp_path / "data", CPU)
    (of_heavy,) = foreseen.values()
    assert of_heavy.peak_bytes is not None
    assert of_heavy.peak_bytes > 2_000_000 * 50 * 8


def test_an_unsampled_condition_has_no_forecast(load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "SAMPLE_SECONDS", 0.0)
    jobs = trial_jobs(load(), tmp_path / "runs")
    assert {each.seconds for each in forecast(jobs, tmp_path / "data", CPU).values()} == {None}


@pytest.mark.usefixtures("fakes")
def test_a_failing_plugin_has_no_forecast_but_the_others_do(load: Loader, tmp_path: Path) -> None:
    suite = load(model="flat", matrix=acquiring("always_raises", "hungry", "uniform"))
    foreseen = forecast(trial_jobs(suite, tmp_path / "runs"), tmp_path / "data", CPU)
    known = [foreseen[condition.key(0)].seconds is not None for condition in suite.conditions]
    assert known == [False, False, True]


@pytest.mark.usefixtures("fakes")
def test_a_property_that_raises_is_treated_as_a_failure(load: Loader, tmp_path: Path) -> None:
    suite = load(model="flat", matrix=acquiring("peak_raises", "uniform"))
    foreseen = forecast(trial_jobs(suite, tmp_path / "runs"), tmp_path / "data", CPU)
    assert [foreseen[each.key(0)].seconds is not None for each in suite.conditions] == [False, True]
    regime = {"batch_size": 32, "epoch_draws": 64, "max_epochs": 1}
    suite = load(model="samples_raise", matrix=acquiring("uniform"), training=regime)
    (of_model,) = forecast(trial_jobs(suite, tmp_path / "runs"), tmp_path / "data", CPU).values()
    assert of_model == Forecast()


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("dataset", ["lost", {"changes_in_load": {"what": "torch's default dtype"}}], ids=str)
def test_a_failing_data_set_has_no_forecast_and_restores_global_state(
    load: Loader, tmp_path: Path, dataset: object
) -> None:
    suite = load(model="flat", dataset=None, matrix={**acquiring("uniform"), "dataset": [dataset, "digits"]})
    foreseen = forecast(trial_jobs(suite, tmp_path / "runs"), tmp_path / "data", CPU)
    assert torch.get_default_dtype() == torch.float32
    assert sorted(each.seconds is not None for each in foreseen.values()) == [False, True]


def bytes_of(sizes: list[int], max_configurations: int) -> int:
    pool_size, num_samples, num_classes, batch_size = sizes
    return batch_bald_bytes(pool_size, num_samples, num_classes, batch_size, max_configurations)


def test_the_declared_peak_of_a_joint_search_is_within_a_factor_of_two_of_published_cells() -> None:
    ratios = []
    for path in (Path(__file__).parents[2] / "leaderboard" / "records" / "acquisition_cost").glob("*.jsonl"):
        header, *lines = map(json.loads, path.read_text().splitlines())
        acquisition = header["condition"]["acquisition"]
        for line in of_kind(lines, "cost"):
            if acquisition["name"] == "batchbald" and (line["peak_bytes"] or 0) > 2**26:
                sizes = [line[size] for size in ("pool_size", "posterior_samples", "num_classes", "batch_size")]
                declared = bytes_of(sizes, acquisition["parameters"]["joint_samples"])
                ratios.append(declared / line["peak_bytes"])
    assert len(ratios) > 20
    assert min(ratios) > 1 / 2
    assert max(ratios) < 2


def test_the_declared_peak_of_a_joint_search_depends_on_the_device() -> None:
    sizes = [10**6, 100, 10, 10]
    with torch.device("cuda", 0):  # nothing is computed on it
        on_gpu = bytes_of(sizes, 10_000)
    assert on_gpu - bytes_of(sizes, 10_000) == 4_000_000_000 - 2**29  # a GPU keeps log-probs of 4 GiB, a CPU of 0.5
