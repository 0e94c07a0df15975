"""The runner: the same seed gives the same journal, nothing is done twice, and a failure affects only its own trial."""

import dataclasses
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from suite.example import acquiring

from softal_bench.errors import DataMissingError, StorageError, SuiteError
from softal_bench.journal.file import locked, read
from softal_bench.journal.lines import Measurement, Status
from softal_bench.run.jobs import Job, Preflight
from softal_bench.run.trials import num_trainings, preflight, trial_jobs
from softal_bench.suite import Suite

from .conftest import Loader
from .example import Line, Recorder, journals, of_kind, run, settled, without_clocks
from .fake_plugins import DEATH, REASON, Gone

METHODS: tuple[Any, ...] = (
    "uniform",
    "entropy",
    "variation_ratios",
    "bald",
    "softmax",
    "power",
    "softrank",
    {"batchbald": {"joint_samples": 40}},
)


def test_a_run_writes_a_journal_for_each_trial_named_by_its_key(suite: Suite, tmp_path: Path) -> None:
    assert run(suite, tmp_path / "runs") == {"done": 2}
    written = journals(tmp_path / "runs")
    assert set(written) == {condition.key(0) for condition in suite.conditions}
    for condition in suite.conditions:
        lines = written[condition.key(0)]
        assert [line["kind"] for line in lines] == ["header", "attempt", *["round"] * 4, "end"]
        header = lines[0]
        assert header["key"] == condition.key(0)
        assert header["condition"] == condition.describe()
        assert (header["schema"], header["suite"], header["trial"]) == (1, "tiny", 0)
        assert len(header["start"]) == 10
        assert header["versions"]["torch"] == version("torch")
        assert header["versions"]["softal-bench"]
        assert {"device", "device_name", "platform", "python", "threads"} <= set(header["environment"])
        assert [line["labels"] for line in of_kind(lines, "round")] == [10, 15, 20, 25]
        assert (lines[-1]["status"], lines[-1]["error"]) == ("done", None)


def test_equal_seeds_give_equal_journals_except_for_timings(load: Loader, tmp_path: Path) -> None:
    suite = load(matrix=acquiring(*METHODS))
    run(suite, tmp_path / "once")
    torch.manual_seed(1)  # the state of the global generator does not matter
    run(suite, tmp_path / "again")
    assert len(settled(tmp_path / "once")) == len(METHODS)
    assert settled(tmp_path / "once") == settled(tmp_path / "again")


def test_the_order_of_trials_changes_no_number(load: Loader, tmp_path: Path) -> None:
    suite = load(trials=2)
    run(suite, tmp_path / "forwards")
    run(dataclasses.replace(suite, conditions=suite.conditions[::-1]), tmp_path / "backwards")
    assert settled(tmp_path / "forwards") == settled(tmp_path / "backwards")


def test_another_seed_or_trial_gives_another_start_set(load: Loader, tmp_path: Path) -> None:
    matrix = acquiring("uniform")
    run(load(matrix=matrix, trials=2), tmp_path / "runs")
    run(load(matrix=matrix, seed=1), tmp_path / "runs")
    starts = {tuple(lines[0]["start"]) for lines in journals(tmp_path / "runs").values()}
    assert len(starts) == 3


def test_methods_share_the_start_set_and_the_first_round_of_a_trial(load: Loader, tmp_path: Path) -> None:
    run(load(matrix=acquiring(*METHODS, batch_sizes=(5, 10)), trials=2), tmp_path / "runs")
    shared: dict[int, set[str]] = {0: set(), 1: set()}
    second: dict[int, set[float]] = {0: set(), 1: set()}
    for lines in journals(tmp_path / "runs").values():
        first_round = of_kind(lines, "round")[0]
        common = [lines[0]["start"], first_round["accuracy"], first_round["nll"]]
        shared[lines[0]["trial"]].add(json.dumps(common))
        second[lines[0]["trial"]].add(of_kind(lines, "round")[1]["nll"])
    assert {trial: len(found) for trial, found in shared.items()} == {0: 1, 1: 1}
    assert shared[0] != shared[1]
    assert all(len(found) > 5 for found in second.values())  # methods differ after the first acquisition


def test_finished_trials_are_not_run_again(suite: Suite, tmp_path: Path) -> None:
    run(suite, tmp_path / "runs")
    before = {path: path.read_bytes() for path in (tmp_path / "runs" / "tiny").glob("*.jsonl")}
    observer = Recorder()
    assert run(suite, tmp_path / "runs", observer) == {"done": 2}
    assert observer.rounds == []
    assert observer.started == []
    assert [ran for _, _, ran in observer.ended] == [False, False]
    assert {path: path.read_bytes() for path in before} == before


def test_adding_trials_runs_only_the_new_ones(load: Loader, tmp_path: Path) -> None:
    run(load(trials=1), tmp_path / "runs")
    observer = Recorder()
    run(load(trials=2), tmp_path / "runs", observer)
    assert [name for name, _ in observer.started] == ["uniform, B=5, trial 1", "bald, B=5, trial 1"]


def test_a_changed_condition_is_a_new_trial_and_leaves_the_old_journal(load: Loader, tmp_path: Path) -> None:
    matrix = acquiring("bald")
    run(load(matrix=matrix), tmp_path / "runs")
    before = journals(tmp_path / "runs")
    run(load(matrix=matrix, posterior_samples=3), tmp_path / "runs")
    after = journals(tmp_path / "runs")
    assert len(before) == 1
    assert len(after) == 2
    assert before.items() <= after.items()


@pytest.mark.parametrize("stop_after", range(1, 9))
def test_an_interrupted_run_resumes_where_it_stopped(suite: Suite, tmp_path: Path, stop_after: int) -> None:
    run(suite, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=stop_after))
    stopped = {path: path.read_bytes() for path in (tmp_path / "runs" / "tiny").glob("*.jsonl")}
    observer = Recorder()
    assert run(suite, tmp_path / "runs", observer) == {"done": 2}
    assert len(observer.rounds) == 8 - stop_after
    assert settled(tmp_path / "runs") == settled(tmp_path / "undisturbed")
    for path, earlier in stopped.items():
        assert path.read_bytes().startswith(earlier)


def test_an_interrupt_is_journalled(suite: Suite, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=2))
    (lines,) = journals(tmp_path / "runs").values()
    assert [line["kind"] for line in lines] == ["header", "attempt", "round", "round", "interrupt"]


def test_a_journal_cut_anywhere_is_completed_as_in_an_undisturbed_run(load: Loader, tmp_path: Path) -> None:
    suite = load(matrix=acquiring("power"), dataset={"repeated": {"of": "digits"}})
    run(suite, tmp_path / "runs")
    undisturbed = settled(tmp_path / "runs")
    (path,) = (tmp_path / "runs" / "tiny").glob("*.jsonl")
    whole = path.read_bytes()
    ends = [position for position, byte in enumerate(whole) if byte == ord("\n")]
    cuts = [0, 1, *[end + change for end in ends for change in (-40, 0, 1)]]
    for cut in sorted(set(cuts)):
        path.write_bytes(whole[:cut])
        run(suite, tmp_path / "runs")
        assert settled(tmp_path / "runs") == undisturbed
        assert path.read_bytes().startswith(whole[: whole[:cut].rfind(b"\n") + 1])


def test_a_trial_that_died_twice_in_one_round_fails(load: Loader, deadly: None, tmp_path: Path) -> None:
    suite = load(matrix=acquiring("vanishes", "uniform"), model="flat")
    job = trial_jobs(suite, tmp_path / "runs")[0]
    for attempts in (1, 2):
        with pytest.raises(BaseException, match=DEATH):
            run(suite, tmp_path / "runs")
        assert (read(job.path).status, len(read(job.path).attempts)) == ("unfinished", attempts)
    observer = Recorder()
    assert run(suite, tmp_path / "runs", observer) == {"failed": 1, "done": 1}
    record = read(job.path)
    assert len(record.attempts) == 2  # there was no third attempt
    assert len(record.rounds) == 1
    assert record.end is not None
    assert "died in round 1" in str(record.end.error)
    assert job.path.name in str(record.end.error)
    assert observer.errors[job.name] == record.end.error
    assert run(suite, tmp_path / "runs") == {"failed": 1, "done": 1}


def test_deaths_in_different_rounds_do_not_fail_a_trial(load: Loader, tmp_path: Path) -> None:
    suite = load(matrix=acquiring("uniform"))
    for _ in range(3):
        with pytest.raises(Gone):
            run(suite, tmp_path / "runs", Recorder(stop_after=1, stop=Gone))
    assert run(suite, tmp_path / "runs") == {"done": 1}


def test_interrupts_in_the_same_round_do_not_fail_a_trial(load: Loader, tmp_path: Path) -> None:
    suite = load(matrix=acquiring("uniform"))
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=1))
    (path,) = (tmp_path / "runs" / "tiny").glob("*.jsonl")
    _, attempt, _, interrupt = path.read_text().splitlines()
    with path.open("a") as file:
        file.write(f"{attempt}\n{interrupt}\n" * 3)
    assert run(suite, tmp_path / "runs") == {"done": 1}


FAILURES = [
    ("too_few", "failed", "acquisition function 'too_few': positions are shape (4,)"),
    ("nan_score", "failed", "acquisition function 'nan_score': the score of pick 0 (position 0) is nan"),
    ("always_raises", "failed", f"acquisition function 'always_raises' raised RuntimeError: {REASON}"),
    ("raises_ours", "failed", f"acquisition function 'raises_ours': {REASON}"),
    ("exits", "failed", "acquisition function 'exits' raised SystemExit: 0"),
    ("hungry", "out_of_memory", "MemoryError"),
    ("hungry_for_tensors", "out_of_memory", "memory"),
    ("hungry_on_cuda", "out_of_memory", "CUDA out of memory"),
]


@pytest.mark.parametrize(("name", "status", "reason"), FAILURES, ids=[name for name, _, _ in FAILURES])
def test_a_failing_acquisition_function_is_journalled_with_the_reason_and_others_continue(
    load: Loader, fakes: None, tmp_path: Path, name: str, status: str, reason: str
) -> None:
    suite = load(matrix=acquiring(name, "uniform"), trials=2)
    observer = Recorder()
    assert run(suite, tmp_path / "runs", observer) == {status: 2, "done": 2}
    for job in trial_jobs(suite, tmp_path / "runs"):
        lines = journals(tmp_path / "runs")[job.key]
        if job.condition.acquisition.name == name:
            assert lines[-1]["status"] == status
            assert reason in lines[-1]["error"]
            assert observer.errors[job.name] == lines[-1]["error"]
        else:
            assert [line["kind"] for line in lines] == ["header", "attempt", *["round"] * 4, "end"]


@pytest.mark.parametrize("name", ["always_raises", "too_few"])
def test_the_journal_records_the_traceback_of_a_plugin_s_failure(
    load: Loader, fakes: None, tmp_path: Path, name: str
) -> None:
    run(load(matrix=acquiring(name)), tmp_path / "runs")
    (lines,) = journals(tmp_path / "runs").values()
    assert lines[-1]["traceback"].startswith("Traceback")
    assert ("softal_fakes.py" in lines[-1]["traceback"]) == (name == "always_raises")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("model_raises", f"model 'model_raises' raised RuntimeError: {REASON}"),
        ("model_without_posterior", f"model 'model_without_posterior' raised RuntimeError: {REASON}"),
        ("model_predicts_nan", "model 'model_predicts_nan'"),
    ],
)
def test_a_failing_model_is_journalled_with_the_reason_and_others_continue(
    load: Loader, fakes: None, tmp_path: Path, model: str, reason: str
) -> None:
    suite = load(matrix={**acquiring("bald"), "model": [model, "flat"]}, model=None)
    assert run(suite, tmp_path / "runs") == {"failed": 1, "done": 1}
    failed = journals(tmp_path / "runs")[suite.conditions[0].key(0)]
    assert failed[-1]["error"].startswith(reason)


def test_diverging_training_does_not_stop_the_other_trials(load: Loader, tmp_path: Path) -> None:
    rates = {"training.learning_rate": [1e30, 1e-3]}
    suite = load(matrix={**acquiring("uniform"), **rates}, training={"epoch_draws": 64, "max_epochs": 2})
    run(suite, tmp_path / "runs")
    diverged, sound = (journals(tmp_path / "runs")[condition.key(0)][-1] for condition in suite.conditions)
    assert diverged["kind"] == "end"
    assert sound["status"] == "done"


def test_a_data_set_that_fails_in_one_trial_fails_that_trial(load: Loader, fakes: None, tmp_path: Path) -> None:
    suite = load(matrix=acquiring("uniform"), dataset="lost_in_trial_one", trials=3)
    assert run(suite, tmp_path / "runs") == {"failed": 1, "done": 2}


def damage(path: Path, text: str) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path.read_bytes()


@pytest.mark.parametrize("text", ["{broken\n", "[]\n", '{"kind": "end"}\n', '{"kind": "header", "schema": 2}\n'])
def test_an_unreadable_journal_affects_only_its_trial_and_is_not_changed(
    suite: Suite, tmp_path: Path, text: str
) -> None:
    job = trial_jobs(suite, tmp_path / "runs")[0]
    before = damage(job.path, text)
    observer = Recorder()
    assert run(suite, tmp_path / "runs", observer) == {"unreadable": 1, "done": 1}
    assert job.path.read_bytes() == before
    assert str(observer.errors[job.name]).startswith(f"{job.path}: ")


def test_a_journal_with_the_name_of_another_trial_is_not_changed(load: Loader, tmp_path: Path) -> None:
    suite = load(trials=2, matrix=acquiring("uniform"))
    first, second = trial_jobs(suite, tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=1))
    before = first.path.read_bytes()
    second.path.write_bytes(before)
    assert run(suite, tmp_path / "runs") == {"done": 1, "unreadable": 1}
    assert second.path.read_bytes() == before


def with_acquired(lines: list[Line], acquired: Any) -> str:
    changed = [{**line, "acquired": acquired} if line["kind"] == "round" else line for line in lines]
    return "".join(json.dumps(line) + "\n" for line in changed)


@pytest.mark.parametrize(
    "acquired", [5, "abc", None, [10**9] * 5, [-1] * 5, [0.5] * 5, ["a"] * 5, [1, 1, 1, 1, 1]], ids=str
)
def test_a_journal_whose_acquired_indices_cannot_be_replayed_affects_only_its_trial(
    suite: Suite, tmp_path: Path, acquired: Any
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=1))
    job = trial_jobs(suite, tmp_path / "runs")[0]
    before = damage(job.path, with_acquired(journals(tmp_path / "runs")[job.key], acquired))
    assert run(suite, tmp_path / "runs") == {"unreadable": 1, "done": 1}
    assert job.path.read_bytes() == before


def test_a_folder_in_a_journal_s_place_affects_only_its_trial(suite: Suite, tmp_path: Path) -> None:
    trial_jobs(suite, tmp_path / "runs")[0].path.mkdir(parents=True)
    assert run(suite, tmp_path / "runs") == {"unreadable": 1, "done": 1}


def test_a_run_waits_at_the_end_for_trials_of_another_runner(suite: Suite, tmp_path: Path) -> None:
    taken, free = trial_jobs(suite, tmp_path / "runs")
    code = (
        "import sys, pathlib; from softal_bench.journal.file import locked\n"
        "with locked(pathlib.Path(sys.argv[1])) as mine: print(mine, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(taken.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "True\n"

        class LetsGo(Recorder):
            def waiting(self, job: Job[Any], why: str) -> None:
                super().waiting(job, why)
                assert other.stdin is not None
                other.stdin.close()

        observer = LetsGo()
        assert run(suite, tmp_path / "runs", observer) == {"done": 2}
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert observer.waited == [taken.name]
    assert [name for name, _ in observer.started] == [free.name, taken.name]


def test_a_trial_finished_by_another_runner_is_not_run_again(suite: Suite, tmp_path: Path) -> None:
    taken, _ = trial_jobs(suite, tmp_path / "runs")
    run(suite, tmp_path / "elsewhere")
    finished = (tmp_path / "elsewhere" / "tiny" / taken.path.name).read_bytes()

    class Finishes(Recorder):
        def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
            super().trial_ended(job, status, error, ran)
            if job != taken:  # the other runner ends its trial and releases the lock
                taken.path.write_bytes(finished)
                lock.__exit__(None, None, None)

    lock = locked(taken.path)
    assert lock.__enter__()
    observer = Finishes()
    assert run(suite, tmp_path / "runs", observer) == {"done": 2}
    assert observer.waited == [taken.name]
    assert (taken.name, "done", False) in observer.ended
    assert taken.path.read_bytes() == finished


def test_trial_0_of_every_condition_comes_first(load: Loader, tmp_path: Path) -> None:
    jobs = trial_jobs(load(trials=2), tmp_path)
    assert [job.name for job in jobs] == [
        "uniform, B=5, trial 0",
        "bald, B=5, trial 0",
        "uniform, B=5, trial 1",
        "bald, B=5, trial 1",
    ]


def test_the_announced_number_of_trainings_is_run(load: Loader, tmp_path: Path) -> None:
    suite = load(trials=2, matrix=acquiring("uniform", "bald", batch_sizes=(5, 10)))
    observer = Recorder()
    run(suite, tmp_path / "runs", observer)
    assert num_trainings(suite) == len(observer.rounds) == 2 * 2 * (4 + 3)


def test_a_trial_sets_its_number_of_threads_and_then_restores_it(load: Loader, tmp_path: Path) -> None:
    class Counts(Recorder):
        def round_done(self, job: Job[Any], line: Measurement) -> None:
            threads.add(torch.get_num_threads())

    threads: set[int] = set()
    before = torch.get_num_threads()
    run(load(threads=3), tmp_path / "runs", Counts())
    assert threads == {3}
    assert torch.get_num_threads() == before


def test_a_run_leaves_the_global_generator_unchanged(suite: Suite, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    run(suite, tmp_path / "runs")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_runs_folder_that_cannot_be_written_is_a_storage_error(suite: Suite, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        run(suite, tmp_path / "runs")


def test_preflight_accepts_a_valid_suite_and_writes_nothing(load: Loader, tmp_path: Path) -> None:
    suite = load()
    before = sorted(tmp_path.rglob("*"))
    assert preflight(suite, tmp_path / "data", fetch=True) == Preflight()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (
            {"matrix": acquiring("bald", batch_sizes=(5, 5000)), "budget": 11},
            "batch_size: 5000 is larger than the pool",
        ),
        ({"budget": 2000}, "budget: 2000 labels in batches of 5 need more than the pool's 1255"),
        ({"validation_size": 1290}, "validation_size: digits has 1297 training examples"),
        ({"initial": {"size": 12, "balanced": True}}, "initial.size: 12 cannot be balanced over 10 classes"),
    ],
    ids=str,
)
def test_preflight_rejects_an_infeasible_condition(
    load: Loader, tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    suite = load(**changes)
    with pytest.raises(SuiteError) as error:
        preflight(suite, tmp_path / "data", fetch=False)
    assert str(error.value).startswith(f"{suite.path}: {what}")


def test_preflight_without_fetching_reports_missing_data(load: Loader, tmp_path: Path) -> None:
    suite = load(dataset="mnist", model="lenet5")
    (note,) = preflight(suite, tmp_path / "data", fetch=False).unchecked
    assert "train-images-idx3-ubyte" in note
    assert not (tmp_path / "data").exists()


def test_preflight_names_the_missing_array_file(load: Loader, tmp_path: Path) -> None:
    suite = load(dataset={"arrays": {"path": "mine.npz"}})
    with pytest.raises(DataMissingError, match=r"arrays: .*mine\.npz is not there; give `path`"):
        preflight(suite, tmp_path / "data", fetch=True)


def test_lines_without_clocks_keep_other_keys() -> None:
    line = {"kind": "round", "round": 0, "acquired": [1], "seconds": {"train": 1.0}, "peak_bytes": 3, "accuracy": 0.5}
    kept = {"kind": "round", "round": 0, "acquired": [1], "accuracy": 0.5}
    assert without_clocks([{"kind": "attempt", "time": "t"}, line]) == [kept]


@pytest.mark.usefixtures("fakes")
def test_preflight_names_every_need_that_a_model_or_a_data_set_does_not_offer(load: Loader, tmp_path: Path) -> None:
    methods = acquiring("uniform", "coreset", "badge", "epig_bald", "wants_features")
    suite = load(model=None, matrix={**methods, "model": ["flat", "offers_nothing", "mlp"]})
    with pytest.raises(SuiteError) as error:
        preflight(suite, tmp_path / "data", fetch=False)
    message = str(error.value)
    for method, need in [("coreset", "embeddings"), ("badge", "embeddings"), ("epig_bald", "evaluation")]:
        assert f"{method} needs {need}, which model offers_nothing does not offer" in message
    assert "wants_features needs features, which data set digits does not have" in message
    assert message.count(" needs ") == 4
    assert "model flat" not in message, "it does not declare what it offers"
    preflight(load(matrix=acquiring("coreset", "epig_bald"), model="mlp"), tmp_path / "data", fetch=False)
