"""Limits of a trial: a plugin that hangs is ended, and the rest of the suite continues."""

import contextlib
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from suite.example import acquiring, tiny

from softal_bench.errors import GlobalStateError, SuiteError
from softal_bench.journal.file import read
from softal_bench.machine import isolation
from softal_bench.machine.settings import FREQUENT, SETTINGS
from softal_bench.registry import models
from softal_bench.run.trials import trial_jobs
from softal_bench.suite import TrialLimits
from softal_bench.trial.attribution import Ended, PluginFailed, attributed_to
from softal_bench.trial.deadlines import Clock

from .conftest import Loader
from .example import Recorder, journals, run, settled

CNN = models.resolve("digits_cnn")


@pytest.fixture
def hangs(tmp_path: Path) -> dict[str, dict[str, str]]:
    """Return an acquisition function that hangs in its second round and continues if anything is raised in it."""
    (tmp_path / "notes").touch()
    return {"crashes": {"how": "hang", "notes": str(tmp_path / "notes")}}


@pytest.mark.usefixtures("fakes")
def test_a_select_that_hangs_times_out_its_trial_and_the_others_continue(
    load: Loader, hangs: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    suite = load(model="flat", matrix=acquiring(hangs, "uniform"), limits={"select_seconds": 0.2})
    recorder = Recorder()
    assert run(suite, tmp_path / "runs", recorder) == {"timeout": 1, "done": 1}
    job = trial_jobs(suite, tmp_path / "runs")[0]
    assert recorder.errors[job.name] == "select took more than 0.2 s (limits.select_seconds)"
    assert (read(job.path).status, len(read(job.path).rounds)) == ("timeout", 1)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.usefixtures("fakes")
def test_the_trial_limit_includes_the_time_of_earlier_runs(load: Loader, tmp_path: Path) -> None:
    naps = {"naps": {"seconds": 0.3}}
    suite = load(model="flat", matrix=acquiring(naps), limits={"trial_hours": 0.5 / 3600})
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=1))
    start = time.monotonic()
    assert run(suite, tmp_path / "runs") == {"timeout": 1}
    assert time.monotonic() - start < 0.4
    (lines,) = journals(tmp_path / "runs").values()
    assert lines[-1]["error"].startswith("the trial took more than")


def test_limits_do_not_affect_a_trial_s_key(load: Loader, tmp_path: Path) -> None:
    plain = load()
    run(plain, tmp_path / "runs")
    limited = load(limits={"select_seconds": 100, "trial_hours": 2}, resources={"cpus": 2, "gpus": 0.25})
    assert [job.key for job in trial_jobs(limited, tmp_path)] == [job.key for job in trial_jobs(plain, tmp_path)]
    recorder = Recorder()
    assert run(limited, tmp_path / "runs", recorder) == {"done": 2}
    assert recorder.rounds == []


def test_limits_that_are_not_reached_change_nothing(load: Loader, tmp_path: Path) -> None:
    run(load(), tmp_path / "plain")
    run(load(limits={"select_seconds": 100, "trial_hours": 1}), tmp_path / "limited")
    assert settled(tmp_path / "limited") == settled(tmp_path / "plain")


@pytest.mark.parametrize("limits", [{"select_seconds": 0}, {"trial_hours": -1}, {"round_seconds": 1}, 5], ids=str)
def test_invalid_limits_are_rejected(load: Loader, limits: object) -> None:
    assert "limits" not in tiny()
    with pytest.raises(SuiteError, match="limits"):
        load(limits=limits)


def test_the_earlier_of_two_deadlines_counts() -> None:
    limits: list[float | None] = []
    clock = Clock(
        TrialLimits(select_seconds=5, trial_hours=0.1 / 3600), on_deadline=lambda seconds, _: limits.append(seconds)
    )
    with pytest.raises(Ended, match="the trial took more than"):
        clock.trial(lambda: clock.selection(lambda: time.sleep(2)))
    assert limits[-1] is None
    assert clock.selection(lambda: 3) == 3  # the trial's limit counts only while the trial runs


def test_durations_are_measured_by_a_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    clock = Clock(TrialLimits(select_seconds=0.1))
    monkeypatch.setattr(time, "time", lambda: -1e9)
    with pytest.raises(Ended, match="select took more than"):
        clock.selection(lambda: time.sleep(2))


def test_the_signal_of_a_limit_never_escapes_from_the_call_that_it_limits() -> None:
    """Timers go off before, during and after calls of all lengths, and during the clean-up between two limits."""
    chance = random.Random(0)
    ends = {"done": 0, "timeout": 0}
    for _ in range(4000):
        limits = TrialLimits(select_seconds=chance.choice([1e-6, 1e-5, 5e-5, 2e-4]), trial_hours=chance.random() / 2e7)
        clock = Clock(limits)
        busy = chance.randrange(4_000)

        def select(clock: Clock = clock, busy: int = busy) -> int:
            return clock.selection(lambda: sum(range(busy))) + clock.selection(lambda: sum(range(busy)))

        status = "timeout"
        with contextlib.suppress(Ended):
            assert clock.trial(select) == 2 * sum(range(busy))
            status = "done"
        ends[status] += 1
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
        assert vars(clock)["_deadlines"] == []
    assert min(ends.values()) > 100


def test_the_signal_of_a_limit_waits_for_the_clean_up() -> None:
    """The timer goes off while the inner limit is lifted, in `on_deadline`; the outer limit then ends the call."""
    clock = Clock(TrialLimits(select_seconds=5, trial_hours=0.05 / 3600), on_deadline=lambda *_: time.sleep(0.06))
    reached: list[str] = []

    def select() -> None:
        clock.selection(lambda: reached.append("selected"))
        reached.append("left")
        time.sleep(2)

    start = time.monotonic()
    with pytest.raises(Ended, match="the trial took more than"):
        clock.trial(select)
    assert time.monotonic() - start < 1.5
    assert vars(clock)["_deadlines"] == []


@pytest.mark.parametrize("seconds", [0, 1000])
def test_a_select_that_sets_the_timer_is_blamed_and_the_outer_limit_holds(seconds: int) -> None:
    clock = Clock(TrialLimits(select_seconds=50, trial_hours=0.2 / 3600))

    def select() -> None:
        with pytest.raises(GlobalStateError, match=r"^changed the timer of SIGALRM"):
            clock.selection(lambda: signal.alarm(seconds))
        time.sleep(2)

    with pytest.raises(Ended, match="the trial took more than"):
        clock.trial(select)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.parametrize("seconds", [0, 1000])
def test_a_plugin_that_sets_the_timer_is_blamed_and_the_limit_holds(seconds: int) -> None:
    """This holds even if the call into the plugin has no limit of its own, such as `fit`."""
    clock = Clock(TrialLimits(trial_hours=0.2 / 3600))

    def fit() -> None:
        with (
            pytest.raises(PluginFailed, match=r"^model 'digits_cnn' changed the timer of SIGALRM"),
            attributed_to("model", CNN),
        ):
            signal.alarm(seconds)
        time.sleep(2)

    with pytest.raises(Ended, match="the trial took more than"):
        clock.trial(fit)


def test_nobody_is_blamed_for_a_timer_that_counts_down_or_goes_off() -> None:
    clock = Clock(TrialLimits(trial_hours=0.7 / 3600))
    reached: list[str] = []

    def fit() -> None:
        with attributed_to("model", CNN):
            time.sleep(0.6)
        reached.append("it counted down")
        with attributed_to("model", CNN), contextlib.suppress(BaseException):
            time.sleep(2)
        reached.append("it went off, and was caught")
        time.sleep(3)

    with pytest.raises(Ended, match="the trial took more than"):
        clock.trial(fit)
    assert reached == ["it counted down", "it went off, and was caught"]


def test_a_limit_does_not_break_the_guard_of_global_state() -> None:
    """Timers go off anywhere in nested calls into plugins that change a precision temporarily."""
    chance = random.Random(0)
    ends = {"done": 0, "timeout": 0}
    handler, before = signal.getsignal(signal.SIGALRM), isolation.snapshot()

    def guarded() -> None:
        for settings in (SETTINGS, FREQUENT):
            with attributed_to("model", CNN, settings):
                torch.set_float32_matmul_precision("medium")
                sum(range(chance.randrange(20_000)))
                with attributed_to("model", CNN, FREQUENT):
                    sum(range(chance.randrange(20_000)))
                    assert torch.get_float32_matmul_precision() == "highest"
                torch.set_float32_matmul_precision("highest")

    for _ in range(1000):
        clock = Clock(TrialLimits(trial_hours=chance.uniform(1e-5, 4e-3) / 3600))
        status = "timeout"
        with contextlib.suppress(Ended):
            clock.trial(guarded)
            status = "done"
        ends[status] += 1
        assert vars(isolation)["_outermost"].get() is None
        assert torch.get_float32_matmul_precision() == "highest"
    assert min(ends.values()) > 100
    signal.signal(signal.SIGALRM, handler)
    assert before.changes() == []
