"""Global state: a plugin that changes it fails its own trial and changes no number of later trials."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from suite.example import acquiring
from torch import Tensor

from softal_bench.contracts import AcquiredBatch, Pool, TrainingRegime
from softal_bench.errors import DataError, GlobalStateError, SuiteError
from softal_bench.machine import isolation, settings
from softal_bench.machine.device import computing
from softal_bench.machine.threads import limited, native_threads
from softal_bench.registry import datasets, models
from softal_bench.run.trials import preflight, trial_jobs
from softal_bench.trial.attribution import AttributedModel, PluginFailed
from softal_bench.trial.data import load_splits, prepare

from .conftest import Loader
from .example import Line, Recorder, journals, of_kind, run, settled
from .fake_plugins import CHANGES, Careless, FlatFit, FlatPosterior
from .numbered import CLASSES, Chooses, Remembers, Setting, first

pytestmark = pytest.mark.usefixtures("fakes")


@pytest.fixture(autouse=True)
def settings_as_they_were() -> Iterator[None]:
    """Restore the settings of the process even if a test fails."""
    with isolation.restored():
        yield


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Line]]:
    """Return an empty mapping for the journals of a separate run of BALD, whose numbers depend on the precision."""
    return {}


def untouched(load: Loader, alone: dict[str, list[Line]], folder: Path) -> list[Line]:
    """Return the lines of BALD's trial without a bad plugin before it."""
    if not alone:
        run(load(matrix=acquiring("bald")), folder / "alone")
        alone.update(settled(folder / "alone"))
    (lines,) = alone.values()
    return lines


@pytest.mark.parametrize("what", CHANGES)
def test_an_acquisition_function_that_changes_global_state_fails_only_its_trial(
    load: Loader, alone: dict[str, list[Line]], tmp_path: Path, what: str
) -> None:
    expected = untouched(load, alone, tmp_path)
    suite = load(matrix=acquiring({"changes_in_select": {"what": what}}, "bald"), limits={"select_seconds": 100})
    recorder = Recorder()
    assert run(suite, tmp_path / "runs", recorder) == {"failed": 1, "done": 1}
    bad, bald = trial_jobs(suite, tmp_path / "runs")
    error = str(recorder.errors[bad.name])
    assert error.startswith("acquisition function ")
    assert "changes_in_select(" in error
    assert " changed " in error
    assert what in error.partition(" changed ")[2]
    assert settled(tmp_path / "runs")[bald.key] == expected


@pytest.mark.parametrize(
    "what",
    ["torch's default dtype", "torch's float32 matmul precision", "NumPy's global generator", "the working folder"],
)
@pytest.mark.parametrize(("kind", "plugin"), [("model", "changes_in_fit"), ("dataset", "changes_in_load")])
def test_a_model_or_data_set_that_changes_global_state_fails_only_its_trial(
    load: Loader, alone: dict[str, list[Line]], tmp_path: Path, kind: str, plugin: str, what: str
) -> None:
    expected = untouched(load, alone, tmp_path)
    sound = {"model": "digits_cnn", "dataset": "digits"}[kind]
    matrix = {**acquiring("bald"), kind: [{plugin: {"what": what}}, sound]}
    suite = load(matrix=matrix, **{kind: None})
    assert run(suite, tmp_path / "runs") == {"failed": 1, "done": 1}
    noun = {"model": "model", "dataset": "data set"}[kind]
    (error,) = [error for lines in settled(tmp_path / "runs").values() if (error := lines[-1]["error"])]
    assert error.startswith(f"{noun} ")
    assert f"{plugin}(" in error
    assert f" changed {what}" in error
    assert error.count(plugin) == 1
    (lines,) = [lines for lines in settled(tmp_path / "runs").values() if lines[-1]["status"] == "done"]
    assert [line for line in lines if line["kind"] == "round"] == [line for line in expected if line["kind"] == "round"]


@pytest.mark.parametrize("what", ["torch's float32 matmul precision", "torch's grad mode", "NumPy's global generator"])
def test_a_model_that_changes_global_state_during_prediction_is_blamed(load: Loader, tmp_path: Path, what: str) -> None:
    suite = load(matrix=acquiring("bald"), model={"changes_in_prediction": {"what": what}})
    recorder = Recorder()
    assert run(suite, tmp_path / "runs", recorder) == {"failed": 1}
    (error,) = recorder.errors.values()
    assert f" changed {what}" in str(error)
    assert str(error).startswith("model ")
    assert "changes_in_prediction(" in str(error)


def test_the_message_names_the_change_and_the_remedy(load: Loader, tmp_path: Path) -> None:
    def error_of(what: str) -> str:
        suite = load(matrix=acquiring({"changes_in_select": {"what": what}}))
        recorder = Recorder()
        run(suite, tmp_path / what.replace("/", "") / "runs", recorder)
        return str(next(iter(recorder.errors.values())))

    precision = error_of("torch's float32 matmul precision")
    assert "changed torch's float32 matmul precision from 'highest' to 'medium'" in precision
    assert precision.endswith("; restore it before returning, since it is shared with every other trial")
    generator = error_of("NumPy's global generator")
    assert "changed NumPy's global generator; draw from the generator that is passed in" in generator
    variable = error_of("environment variables (SOFTAL_FAKE")
    assert "changed environment variables (SOFTAL_FAKE); restore it" in variable  # the value may be a secret


def test_preflight_rejects_a_data_set_that_changes_global_state(load: Loader, tmp_path: Path) -> None:
    suite = load(dataset={"changes_in_load": {"what": "torch's default dtype"}})
    with pytest.raises(DataError, match=r"changes_in_load.* changed torch's default dtype from torch\.float32"):
        preflight(suite, tmp_path, fetch=True)
    assert torch.get_default_dtype() == torch.float32


def test_a_constructor_that_changes_global_state_is_rejected(load: Loader) -> None:
    with pytest.raises(SuiteError, match="changes_when_built: its constructor changed torch's default dtype"):
        load(matrix=acquiring("changes_when_built"))
    assert torch.get_default_dtype() == torch.float32


class TellsPrecision(FlatPosterior):
    """A posterior that records the precision under which it predicts."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__(4, CLASSES)
        self._seen = seen

    def log_probs(self, inputs: Tensor) -> Tensor:
        self._seen.append(torch.get_float32_matmul_precision())
        return super().log_probs(inputs)


def test_a_model_predicts_under_the_settings_of_the_run_even_if_the_method_changes_them(setting: Setting) -> None:
    seen: list[str] = []
    fitted = FlatFit(CLASSES)
    object.__setattr__(fitted, "posterior", lambda *_: TellsPrecision(seen))

    def select(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        torch.set_float32_matmul_precision("medium")
        with torch.no_grad():
            list(pool.log_probs())
            assert not torch.is_grad_enabled()
        seen.append(f"select has {torch.get_float32_matmul_precision()}")
        torch.set_float32_matmul_precision("highest")
        return first(pool, batch_size, generator)

    setting.acquisition = Chooses(select)
    setting.model = Remembers(fit_as=lambda _: fitted)
    next(setting.trial().rounds([]))
    assert set(seen[:-1]) == {"highest"}
    assert seen[-1] == "select has medium"


def test_a_change_that_a_plugin_undoes_is_ignored() -> None:
    with isolation.unchanged():
        state = np.random.get_state()
        np.random.rand()
        np.random.set_state(state)
        with torch.no_grad(), warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            torch.rand(3)


def test_an_error_inside_takes_precedence_and_the_change_is_still_undone() -> None:
    with pytest.raises(ZeroDivisionError), isolation.unchanged():
        _change_everything_and_fail()
    assert torch.get_default_dtype() == torch.float32


def test_changes_made_by_importing_a_library_are_allowed() -> None:
    """Importing scikit-learn draws from Python's generator and adds environment variables and warning filters.

    The generator is restored nevertheless, so that numbers do not depend on which call imports the library.
    """
    program = (
        "import os, random, warnings\n"
        "from softal_bench.machine import isolation\n"
        "before = random.getstate(), dict(os.environ), list(warnings.filters)\n"
        "with isolation.unchanged():\n"
        "    import sklearn.datasets\n"
        "    assert random.getstate() != before[0]\n"
        "assert random.getstate() == before[0]\n"
        "assert dict(os.environ) != before[1] and list(warnings.filters) != before[2]\n"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KMP_")}  # scikit-learn sets them
    subprocess.run([sys.executable, "-c", program], check=True, env=clean)


def test_a_failed_attempt_restores_the_state_of_the_process() -> None:
    before = isolation.snapshot()
    with pytest.raises(ZeroDivisionError), computing(1):
        _change_everything_and_fail()
    assert before.changes() == []


def test_a_timer_that_a_plugin_leaves_running_is_stopped_and_named() -> None:
    with pytest.raises(GlobalStateError, match=r"^changed the timer of SIGALRM"), isolation.unchanged():
        signal.alarm(2)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def _change_everything_and_fail() -> None:
    for change in CHANGES.values():
        change()
    raise ZeroDivisionError


def test_every_setting_can_be_changed_read_and_restored_on_its_own() -> None:
    with computing(1):
        for name, change in CHANGES.items():
            before = isolation.snapshot()
            change()
            assert any(name in str(found) for found in before.changes()), name
            before.restore()
            assert before.changes() == [], name


# Settings that CHANGES does not cover, and the reason.
UNTESTED = {"torch's global CUDA generators": "they exist only where CUDA is initialised; see the test below"}


def test_every_setting_has_a_change_that_is_tested() -> None:
    def has_change(name: str) -> bool:
        return any(name.startswith(what) or what.startswith(name) for what in CHANGES)

    assert {setting.name for setting in settings.SETTINGS if not has_change(setting.name)} == UNTESTED.keys()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_draw_from_a_global_cuda_generator_is_detected_and_undone() -> None:
    torch.cuda.init()  # type: ignore[no-untyped-call]
    before = torch.cuda.get_rng_state()
    with pytest.raises(GlobalStateError, match="changed torch's global CUDA generators"), isolation.unchanged():
        torch.rand(3, device="cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.parametrize("where", ["posterior", "log_probs", "embeddings", "distil"])
def test_every_call_into_a_fitted_model_is_checked(where: str) -> None:
    plugin = models.resolve({"changes_in_prediction": {"what": "torch's default dtype", "where": where}})
    fitted = AttributedModel(Careless(CLASSES, what="torch's default dtype", where=where), plugin)
    inputs = torch.zeros(2, 1)
    calls: dict[str, Callable[[], object]] = {
        "posterior": lambda: fitted.posterior(3, torch.Generator()),
        "log_probs": lambda: fitted.posterior(3, torch.Generator()).log_probs(inputs),
        "embeddings": lambda: fitted.embeddings(inputs),
        "distil": lambda: fitted.distil(inputs, torch.zeros(2, CLASSES), 1, TrainingRegime(), torch.Generator()),
    }
    with pytest.raises(PluginFailed, match=r"^model .changes_in_prediction\(.* changed torch's default dtype"):
        calls.pop(where)()
    assert torch.get_default_dtype() == torch.float32
    if where != "posterior":
        calls["posterior"]()  # only that call is blamed


def test_a_data_set_that_changes_global_state_during_preparation_is_rejected(tmp_path: Path) -> None:
    dataset = datasets.resolve({"changes_in_prepare": {"what": "NumPy's global generator"}})
    with pytest.raises(DataError, match=r"^data set .changes_in_prepare\(.* changed NumPy's global generator; draw"):
        prepare(dataset, tmp_path)


def test_load_splits_reports_changed_global_state(load: Loader, tmp_path: Path) -> None:
    suite = load(dataset={"changes_in_load": {"what": "torch's default dtype"}})
    with pytest.raises(PluginFailed, match=r"^data set .changes_in_load\(.* changed torch's default dtype"):
        load_splits(suite.conditions[0], 0, tmp_path)
    assert torch.get_default_dtype() == torch.float32


def threads_of(program: str, **environment: str) -> list[int]:
    """Return the numbers that a program prints, in a process whose environment sets no number of threads."""
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=plain | environment).stdout
    return [int(number) for number in printed.split()]


def test_a_limit_on_threads_applies_to_libraries_loaded_before_and_after_it() -> None:
    program = (
        "from softal_bench.machine.threads import limited, native_threads\n"
        "import numpy as np\n"
        "with limited(1):\n"
        "    import sklearn.cluster, torch\n"
        "    sklearn.cluster.KMeans(2, n_init=1).fit(np.random.rand(20, 2))\n"
        "    import threadpoolctl\n"
        "    print(torch.get_num_threads(), *(each['num_threads'] for each in threadpoolctl.threadpool_info()))\n"
    )
    numbers = threads_of(program)
    assert len(numbers) >= 3
    assert set(numbers) == {1}


def test_a_limit_on_threads_is_lifted_afterwards() -> None:
    before = native_threads(), torch.get_num_threads(), dict(os.environ)
    with limited(2):
        assert set(native_threads().values()) == {2}
        assert (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]) == (2, "2")
    assert (native_threads(), torch.get_num_threads(), dict(os.environ)) == before


@pytest.mark.parametrize("what", ["embeddings", "labelled", "targets", "evaluation"])
def test_reading_an_undeclared_input_fails_the_trial_and_names_the_declaration(
    load: Loader, tmp_path: Path, what: str
) -> None:
    suite = load(matrix=acquiring({"undeclared": {"what": what}}), model="flat")
    recorder = Recorder()
    assert run(suite, tmp_path / "runs", recorder) == {"failed": 1}
    (error,) = recorder.errors.values()
    assert f"has to declare it, needs = frozenset({{'{what}'}})" in str(error)


def test_equal_scores_cause_a_warning_except_for_uniform_sampling(load: Loader, tmp_path: Path) -> None:
    run(load(matrix=acquiring("bald", "uniform"), model="flat"), tmp_path / "runs")
    bald, uniform = journals(tmp_path / "runs").values()
    if bald[0]["condition"]["acquisition"]["name"] == "uniform":
        bald, uniform = uniform, bald
    warned = [line.get("warnings") for line in bald if line["kind"] == "round"]
    assert warned == [["all 5 scores of the acquired batch are equal"]] * 3 + [None]
    assert all("warnings" not in line for line in uniform)


@pytest.mark.parametrize("samples", [20, 100])
def test_scores_that_differ_only_by_rounding_are_equal(load: Loader, tmp_path: Path, samples: int) -> None:
    """Without dropout all posterior samples are the same, so that BALD is 0 up to rounding."""
    score = {"score": "bald"}
    suite = load(
        model={"mlp": {"dropout": 0.0}},
        matrix=acquiring("bald", {"softmax": score}, {"power": score}, "entropy"),
        posterior_samples=samples,
    )
    run(suite, tmp_path / "runs")
    warned = {
        header["condition"]["acquisition"]["name"]: [
            line.get("warnings") for line in of_kind([header, *lines], "round")
        ]
        for header, *lines in journals(tmp_path / "runs").values()
    }
    equal = [["all 5 scores of the acquired batch are equal"]] * 3 + [None]
    assert warned == {"bald": equal, "softmax": equal, "power": equal, "entropy": [None] * 4}
