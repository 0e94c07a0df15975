"""A cost suite: known costs are measured, cells over a limit are ended, and no two cells run at the same time."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from softal_bench.cost.log_probs import LogProbs
from softal_bench.errors import SuiteError
from softal_bench.journal.lines import Status
from softal_bench.pools import TensorPool
from softal_bench.run.cells import cell_jobs, preflight_cells, run_cells
from softal_bench.seeding import Seeds
from softal_bench.suite import CostSuite, load_cost_suite

from . import planted
from .example import CPU, Recorder
from .fake_plugins import seen

Line = dict[str, Any]
Loader = Callable[..., CostSuite]

TINY: dict[str, Any] = {
    "kind": "cost",
    "name": "tiny_cost",
    "matrix": {"acquisition": ["uniform"], "batch_size": [2]},
    "pool_size": 50,
    "posterior_samples": 3,
    "source": {"synthetic": {"num_classes": 4}},
    "measurement": {"min_samples": 3, "max_samples": 20, "max_seconds": 0.5},
    "limits": {"cell_seconds": 20, "memory_gib": 1},
}
TRAINED = {
    "trained": {
        "dataset": "digits",
        "model": "digits_cnn",
        "labels": 30,
        "validation_size": 64,
        "training": {"epoch_draws": 64, "max_epochs": 1},
    }
}


@pytest.fixture(scope="module")
def planted_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    planted.install(folder)
    return folder


@pytest.fixture(autouse=True)
def _planted(planted_folder: Path) -> Iterator[None]:
    with seen(planted_folder):
        yield


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    def load(acquisition: list[Any], batch_size: list[int] | None = None, **changes: Any) -> CostSuite:
        matrix = {"acquisition": acquisition, "batch_size": batch_size or [2]}
        path = tmp_path / "tiny_cost.yaml"
        keys = {**TINY, "matrix": matrix, **changes}
        path.write_text(yaml.safe_dump({key: value for key, value in keys.items() if value is not None}))
        return load_cost_suite(path)

    return load


def run(suite: CostSuite, folder: Path, observer: Recorder | None = None) -> dict[Status, int]:
    return run_cells(suite, folder / "runs", folder / "data", CPU, observer or Recorder())


def costs(folder: Path) -> list[Line]:
    files = sorted((folder / "runs" / "tiny_cost").glob("*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return sorted((line for line in lines if line["kind"] == "cost"), key=lambda line: line["batch_size"])


def test_a_planted_sleep_is_measured_to_within_five_per_cent(load: Loader, tmp_path: Path) -> None:
    measurement = {**TINY["measurement"], "max_seconds": 2}
    suite = load([{"sleeps": {"per_pick": 0.1}}], [1, 4], measurement=measurement)
    assert run(suite, tmp_path) == {"done": 2}
    for line, planted_seconds in zip(costs(tmp_path), (0.1, 0.4), strict=True):
        assert len(line["seconds"]) >= 3
        assert statistics.median(line["seconds"]) == pytest.approx(planted_seconds, rel=0.05)


def test_a_planted_allocation_appears_only_in_its_own_peak(load: Loader, tmp_path: Path) -> None:
    run(load([{"allocates": {"mebibytes": 64}}, {"allocates": {"mebibytes": 1}}]), tmp_path)
    small, large = sorted(line["peak_bytes"] for line in costs(tmp_path))
    assert 64 * 2**20 <= large < 72 * 2**20
    assert small < 8 * 2**20


def test_a_cell_over_its_time_is_stopped_and_larger_batches_are_skipped(load: Loader, tmp_path: Path) -> None:
    limits = {"cell_seconds": 1.0, "memory_gib": 1}
    suite = load([{"sleeps": {"per_pick": 0.2}}, "uniform"], [20, 1, 40], limits=limits)
    recorder = Recorder()
    assert run(suite, tmp_path, recorder) == {"done": 4, "timeout": 1, "not_tried": 1}
    over = next(line for line in costs(tmp_path) if line["status"] == "timeout")
    assert (over["batch_size"], over["seconds"]) == (20, [])
    assert any(status == "not_tried" and "B=40" in name for name, status, _ in recorder.ended)
    assert run(suite, tmp_path) == {"done": 4, "timeout": 1, "not_tried": 1}  # a second run gives the same


def test_a_cell_over_its_memory_is_recorded_as_out_of_memory(load: Loader, tmp_path: Path) -> None:
    limits = {"cell_seconds": 20, "memory_gib": 0.25}
    suite = load([{"allocates": {"mebibytes": 1024}}], limits=limits)
    assert run(suite, tmp_path) == {"out_of_memory": 1}
    assert costs(tmp_path)[0]["status"] == "out_of_memory"


@pytest.mark.parametrize(
    ("acquisition", "reason"),
    [
        ("raises", "raised RuntimeError: no luck"),
        ({"dies": {"number": 11}}, "exit code -11"),
        ("repeats", "acquisition function 'repeats': position 0 was chosen 2 times; need distinct positions"),
        ({"returns": {"positions": [0.7, 1.9]}}, "positions are torch.float32 of shape (2,); need int64"),
        ({"returns": {"positions": [3.0]}}, "positions are shape (1,); batch size 2 needs a tensor of shape (2,)"),
        ({"returns": {"positions": [3.0, 4.0], "infinite": True}}, "(position 3) is inf; scores have to be finite"),
        ("hurries", "'hurries' changed torch's float32 matmul precision from 'highest' to 'medium'"),
    ],
    ids=str,
)
def test_a_failing_plugin_fails_only_its_cell(load: Loader, tmp_path: Path, acquisition: Any, reason: str) -> None:
    recorder = Recorder()
    assert run(load([acquisition, "uniform"]), tmp_path, recorder) == {"failed": 1, "done": 1}
    assert [error for error in recorder.errors.values() if error and reason in error]


def test_a_position_outside_the_pool_fails_its_cell(load: Loader, tmp_path: Path) -> None:
    recorder = Recorder()
    assert run(load([{"repeats": {"position": 50}}], [1]), tmp_path, recorder) == {"failed": 1}
    assert [error for error in recorder.errors.values() if error and "position 50 is outside the pool" in error]


def test_the_batch_of_the_first_selection_is_recorded_in_the_order_chosen(load: Loader, tmp_path: Path) -> None:
    """The acquisition function chooses the same from these log-probs with a freshly seeded generator."""
    suite = load([{"softmax": {"temperature": 0.5}}], [6])
    run(suite, tmp_path)
    pool = LogProbs(tmp_path, CPU).pool(suite.conditions[0])
    log_probs = torch.from_numpy(np.load(pool.path))
    generator = torch.Generator().manual_seed(Seeds(0, 0).seed("acquisition"))
    batch = suite.conditions[0].acquisition.instance.select(TensorPool(log_probs), 6, generator)
    assert costs(tmp_path)[0]["acquired"] == batch.positions.tolist()


def test_methods_receive_generators_in_the_same_state(load: Loader, tmp_path: Path) -> None:
    """At a high temperature both rules draw uniformly, so that the same noise gives the same batch."""
    run(load([{"softmax": {"temperature": 1e6}}, {"power": {"temperature": 1e6}}], [20]), tmp_path)
    first, second = (line["acquired"] for line in costs(tmp_path))
    assert first == second


def test_no_batch_is_recorded_for_a_failed_cell(load: Loader, tmp_path: Path) -> None:
    run(load(["raises"]), tmp_path)
    assert "acquired" not in costs(tmp_path)[0]


def test_a_method_that_runs_the_garbage_collector_is_not_charged_for_imports(load: Loader, tmp_path: Path) -> None:
    assert run(load(["collects"]), tmp_path) == {"done": 1}


def test_an_interrupted_suite_resumes_at_the_next_cell(load: Loader, tmp_path: Path) -> None:
    suite = load(["uniform", "bald"], [1, 2])
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path, Recorder(stop_after=2))
    before = {path.name: path.read_bytes() for path in (tmp_path / "runs" / "tiny_cost").glob("*.jsonl")}
    recorder = Recorder()
    assert run(suite, tmp_path, recorder) == {"done": 4}
    assert len(recorder.rounds) == 2
    assert len(costs(tmp_path)) == 4
    for name, data in before.items():
        assert (tmp_path / "runs" / "tiny_cost" / name).read_bytes().startswith(data)


@pytest.mark.slow
def test_cells_are_never_measured_in_parallel(load: Loader, planted_folder: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    suite = load([{"notes": {"path": str(notes)}}], [1, 2, 3])
    program = (
        "import sys, torch; from pathlib import Path; from softal_bench.suite import load_cost_suite\n"
        "from softal_bench.run.cells import run_cells; from softal_bench.cli.progress import FailuresOnly, Tally\n"
        "if __name__ == '__main__':\n"
        "    suite, runs = load_cost_suite(Path(sys.argv[1])), Path(sys.argv[2])\n"
        "    run_cells(suite, runs, runs, torch.device('cpu'), FailuresOnly(Tally([])))\n"
    )
    script = tmp_path / "runner.py"
    script.write_text(program)
    runners = [
        subprocess.Popen(
            [sys.executable, str(script), str(suite.path), str(tmp_path / f"runs{number}")],
            env={"PYTHONPATH": str(planted_folder), "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        )
        for number in range(2)
    ]
    assert [runner.wait(timeout=120) for runner in runners] == [0, 0]
    calls = sorted(
        (float(start), float(end), pid) for pid, start, end in map(str.split, notes.read_text().splitlines())
    )
    assert len({pid for _, _, pid in calls}) == 6
    for (_, end, pid), (start, _, next_pid) in pairwise(calls):
        assert start >= end, f"process {next_pid} was measured while {pid} was"


def test_log_probs_come_from_a_trained_model_and_prediction_is_timed(load: Loader, tmp_path: Path) -> None:
    run(load(["bald"], source=TRAINED, pool_size=200), tmp_path)
    (line,) = costs(tmp_path)
    assert line["source"] == "digits_cnn on digits, 30 labels"
    assert (line["pool_size"], line["num_classes"]) == (200, 10)
    assert line["predict_seconds"]
    assert min(line["predict_seconds"]) > 0


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("where", ["posterior", "log_probs"])
def test_a_source_model_that_changes_global_state_fails_the_cell_that_needs_it(
    load: Loader, tmp_path: Path, where: str
) -> None:
    model = {"changes_in_prediction": {"what": "NumPy's global generator", "where": where}}
    source = {"trained": {**TRAINED["trained"], "model": model}}
    recorder = Recorder()
    before = np.random.get_state(legacy=False)
    assert run(load(["bald"], source=source), tmp_path, recorder) == {"failed": 1}
    (error,) = recorder.errors.values()
    assert str(error).startswith(("model 'changes_in_prediction(", 'model "changes_in_prediction('))
    assert " changed NumPy's global generator; draw" in str(error)
    np.testing.assert_equal(np.random.get_state(legacy=False), before)


def test_synthetic_log_probs_need_no_prediction_and_range_from_sure_to_uncertain(load: Loader, tmp_path: Path) -> None:
    from softal_bench.bayes.information import entropy

    suite = load(["bald"], pool_size=5000)
    pool = LogProbs(tmp_path, CPU).pool(suite.conditions[0])
    log_probs_N_K_C = torch.from_numpy(np.load(pool.path))
    assert log_probs_N_K_C.shape == (5000, 3, 4)
    assert pool.predict_seconds == []
    torch.testing.assert_close(log_probs_N_K_C.logsumexp(dim=-1), torch.zeros(5000, 3), atol=1e-5, rtol=0)
    entropy_N = entropy(log_probs_N_K_C)
    assert entropy_N.quantile(0.1) < 0.1
    assert entropy_N.quantile(0.95) > 0.5


def test_cells_are_run_pool_by_pool_and_from_the_smallest_batch_to_the_largest(load: Loader, tmp_path: Path) -> None:
    suite = load(["bald", "uniform"], [5, 1], source={"synthetic": {"num_classes": 3}})
    order = [(job.condition.acquisition.label, job.condition.batch_size) for job in cell_jobs(suite, tmp_path)]
    assert order == [("bald", 1), ("bald", 5), ("uniform", 1), ("uniform", 5)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool_size": 1}, "pool_size: N = 1 is below batch_size B = 2"),
        ({"posterior_samples": 1}, "posterior_samples: K is 1; a cost suite needs at least 2"),
        ({"acquisition": ["embeds"]}, "acquisition: embeds needs embeddings, which the source synthetic"),
        ({"source": "thin_air"}, "source: 'thin_air' is not a source; use synthetic or trained"),
        ({"source": {"synthetic": {"num_clases": 3}}}, "source: synthetic.num_clases: unknown key; did you mean"),
        ({"source": {"trained": {"dataset": "digits", "model": "lenet6"}}}, "lenet6.*did you mean 'lenet5'"),
        ({"limits": {"cell_seconds": 0}}, "limits.cell_seconds: .*greater than 0; got 0"),
        ({"trials": 3}, "unknown key 'trials'"),
        ({"report": {"same_batch": [["uniform"]]}}, r"report.same_batch\[?.0.*at least 2"),
        (
            {"report": {"same_batch": [["uniform", "bad"]]}},
            r"report\.same_batch\[0\]: 'bad' is not an acquisition function",
        ),
    ],
    ids=str,
)
def test_errors_name_the_invalid_key(load: Loader, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        load(**{"acquisition": ["uniform"], **changes})


INFEASIBLE: dict[str, tuple[dict[str, Any], dict[str, int], str, str]] = {
    "too little space on the disk": (
        {"pool_size": [50, 5000]},
        {"free_bytes": 100_000},
        "1 cell with N=5000, K=3, synthetic (C = 4)",
        "log-probs of shape (5000, 3, 4) need 0.000224 GiB, but 9.31e-05 GiB are free in",
    ),
    "too little memory": (
        {"pool_size": [50], "posterior_samples": [3, 300]},
        {"available_bytes": 100_000},
        "1 cell with N=50, K=300, synthetic (C = 4)",
        "need 0.000224 GiB, and 0.000447 GiB of memory while they are made, but 9.31e-05 GiB are available",
    ),
    "too few examples": (
        {"pool_size": [50, 5000], "source": [TRAINED]},
        {},
        "1 cell with N=5000, K=3, digits_cnn on digits, 30 labels",
        "pool_size: N = 5000, but digits has 1297 training examples, which leaves 1203 after 64 for validation and 30",
    ),
    "too few examples for the source": (
        {
            "pool_size": [50],
            "source": [{"synthetic": {"num_classes": 4}}, {"trained": {**TRAINED["trained"], "labels": 1290}}],
        },
        {},
        "1 cell with N=50, K=3, digits_cnn on digits, 1290 labels",
        "pool_size: N = 50, but digits has 1297 training examples, which leaves 0 after 64",
    ),
}


@pytest.mark.parametrize("case", INFEASIBLE)
def test_preflight_reports_an_infeasible_cell_and_only_it_fails(
    load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    keys, machine, cell, reason = INFEASIBLE[case]
    for name, size in machine.items():
        monkeypatch.setattr(f"softal_bench.cost.log_probs.{name}", lambda size=size: size)
    matrix = {"acquisition": ["uniform"], "batch_size": [2], **keys}
    suite = load([], matrix=matrix, **dict.fromkeys(keys))
    (foreseen,) = preflight_cells(suite, tmp_path, fetch=True).infeasible
    assert foreseen.startswith(f"{cell}: ")
    assert reason in foreseen
    recorder = Recorder()
    assert run(suite, tmp_path, recorder) == {"done": 1, "failed": 1}
    (error,) = filter(None, recorder.errors.values())
    assert foreseen == f"{cell}: {error}"


def test_infeasible_cells_of_a_pool_are_grouped(load: Loader, tmp_path: Path) -> None:
    suite = load(["uniform", "bald"], [1, 2, 3], pool_size=10**15)
    (foreseen,) = preflight_cells(suite, tmp_path, fetch=False).infeasible
    assert foreseen.startswith("6 cells with N=1000000000000000, K=3, synthetic (C = 4): log-probs of shape")


def test_two_sources_with_one_label_are_rejected(load: Loader) -> None:
    other = {"trained": {**TRAINED["trained"], "validation_size": 65}}
    matrix = {"acquisition": ["uniform"], "batch_size": [2], "source": [TRAINED, other]}
    with pytest.raises(SuiteError, match="source: two sources have the label 'digits_cnn on digits, 30 labels'"):
        load([], matrix=matrix, source=None)
