"""The logic of the gate for speed, with simulated timings. The gate itself runs in tests/benchmarks."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from softal_bench.conformance.timing.baseline import (
    Baseline,
    BaselineError,
    Measurement,
    Verdict,
    cpu_kind,
    cpu_model,
    failure_message,
    measure_ratios,
    missing_message,
    read_baseline,
    summary_table,
    write_baseline,
)
from softal_bench.conformance.timing.measure import (
    PLANT_VARIABLE,
    Pair,
    PairedTimer,
    ratio,
    require_known_plant,
    seconds_waited,
    slowed,
    stable_process,
    undisturbed_clock,
)

BASELINE = Baseline((1.9, 2.0, 2.02), "2.5.0")


class Time:
    """A clock that advances only while work runs, by the seconds that the work takes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, *seconds: float) -> Callable[[], None]:
        """Return work that takes these numbers of seconds in turn, repeatedly."""

        def run() -> None:
            self.now += seconds[self.log.count(name) % len(seconds)]
            self.log.append(name)

        return run


def measurement(
    *ratios: float, baseline: Baseline | None = BASELINE, path: Path = Path("speed/baseline.json")
) -> Measurement:
    return Measurement("margin", ratios, baseline, "a kind", path)


def test_subject_and_control_are_timed_alternately_and_separately() -> None:
    time = Time()
    timer = PairedTimer(time.work("subject", 3.0), time.work("control", 2.0), time)
    timer.run(3)
    assert time.log == ["control", "subject"] * 3
    assert timer.take() == [Pair(2.0, 3.0)] * 3
    assert timer.take() == []


def test_the_ratio_is_the_median_over_pairs_so_a_few_disturbed_pairs_do_not_change_it() -> None:
    assert ratio([Pair(2.0, 3.0), Pair(2.0, 30.0), Pair(4.0, 6.0), Pair(20.0, 3.0), Pair(1.0, 1.5)]) == 1.5


def test_a_slow_period_that_covers_whole_pairs_does_not_change_the_ratio() -> None:
    time = Time()
    timer = PairedTimer(time.work("subject", 3.0, 9.0, 9.0), time.work("control", 2.0, 6.0, 6.0), time)
    timer.run(9)
    assert ratio(timer.take()) == 1.5


@pytest.mark.parametrize(("pair_seconds", "rounds"), [(0.04, 75), (1.0, 15), (1e-5, 200), (0.0, 200)])
def test_the_number_of_pairs_fills_the_given_time_and_is_between_15_and_200(pair_seconds: float, rounds: int) -> None:
    time = Time()
    timer = PairedTimer(time.work("subject", pair_seconds / 2), time.work("control", pair_seconds / 2), time)
    assert timer.rounds_in(3.0) == rounds
    assert timer.take() == []


def test_pytorch_is_timed_on_one_thread_and_its_number_of_threads_is_restored() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with stable_process():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


FAULTS = """
import resource, torch
from softal_bench.conformance.timing.measure import stable_process

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**22)  # 4096 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(min(faults() for _ in range(5)))
with stable_process():
    print(min(faults() for _ in range(5)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be made to keep freed memory")
def test_freed_memory_is_not_mapped_again_while_work_is_timed() -> None:
    hands_back = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    command = [sys.executable, "-c", FAULTS]
    completed = subprocess.run(command, env={**os.environ, **hands_back}, capture_output=True, text=True, check=True)
    before, within = map(int, completed.stdout.split())
    assert before > 4000
    assert within < 100


def test_the_clock_excludes_waiting_for_a_core_and_includes_sleeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = tmp_path / "schedstat"
    wall = Time()
    monkeypatch.setattr("softal_bench.conformance.timing.measure._COUNTER", str(counter))
    monkeypatch.setattr("time.perf_counter", wall)
    counter.write_text("0 1000000000 5\n")
    with undisturbed_clock() as now:
        start = now()
        wall.now += 10.0  # for 4 s of them, the thread was ready to run but had no core
        counter.write_text("0 5000000000 5\n")
        assert now() - start == pytest.approx(6.0)


def test_the_clock_is_the_wall_clock_if_the_kernel_does_not_count_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Time()
    monkeypatch.setattr("softal_bench.conformance.timing.measure._COUNTER", "/nowhere")
    monkeypatch.setattr("time.perf_counter", wall)
    with undisturbed_clock() as now:
        wall.now = 7.0
        assert now() == 7.0
    assert seconds_waited(b"") == 0.0


def test_a_baseline_is_the_median_of_its_runs_and_its_tolerance_is_their_squared_spread() -> None:
    baseline = Baseline((1.0, 1.0, 1.0, 1.12, 0.95), "2.5.0")
    assert baseline.ratio == 1.0
    assert baseline.spread == pytest.approx(1.12)
    assert baseline.tolerance == pytest.approx(1.12**2)
    assert not baseline.noisy


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=9))
def test_the_tolerance_is_never_so_wide_that_a_slow_down_of_1_5_times_passes(ratios: list[float]) -> None:
    baseline = Baseline(tuple(ratios), "2.5.0")
    assert 1.2 <= baseline.tolerance <= 1.3
    assert baseline.noisy == (max(max(ratios) / baseline.ratio, baseline.ratio / min(ratios)) > 1.3)
    assert baseline.ratio == statistics.median(ratios)


def test_renewing_replaces_ratios_and_keeps_other_kinds_of_cpu_and_other_benchmarks(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert read_baseline(path, "kind", "a") is None
    write_baseline(path, "kind", {"a": [1.0, 2.0, 3.0], "b": [4.0]})
    write_baseline(path, "other kind", {"a": [5.0]})
    write_baseline(path, "kind", {"a": [6.00004]})
    assert read_baseline(path, "kind", "a") == Baseline((6.0,), torch.__version__)
    assert read_baseline(path, "kind", "b") == Baseline((4.0,), torch.__version__)
    assert read_baseline(path, "other kind", "a") == Baseline((5.0,), torch.__version__)
    assert read_baseline(path, "third kind", "a") is None
    assert [len(json.loads(path.read_text())[kind]) for kind in ("kind", "other kind")] == [2, 1]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "text",
    [
        "{broken",
        "[]",
        '{"kind": 1}',
        '{"kind": {"a": 1}}',
        '{"kind": {"a": {"torch": "2.5.0"}}}',
        '{"kind": {"a": {"torch": "2.5.0", "ratios": [0]}}}',
        '{"kind": {"a": {"torch": "2.5.0", "ratios": ["1"]}}}',
    ],
)
def test_a_file_that_is_not_a_baseline_raises_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(BaselineError, match=str(path)):
        read_baseline(path, "kind", "a")


def test_the_kind_of_cpu_is_its_vendor_family_and_model_and_the_instruction_set_in_use() -> None:
    arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd40\n\nprocessor\t: 1\n"
    assert cpu_model(arm) == "implementer 0x41 architecture 8 part 0xd40"
    assert cpu_model("") == ""
    assert cpu_kind().endswith(f", {torch.backends.cpu.get_cpu_capability()}")


@pytest.mark.parametrize(
    ("ratios", "kept"),
    [
        ([2.3], [2.3]),
        ([2.5, 2.3, 9.0], [2.5, 2.3]),
        ([3.0, 3.1, 3.2, 2.9, 2.0], [3.0, 3.1, 3.2, 2.9]),
    ],
)
def test_a_ratio_over_its_limit_is_measured_up_to_four_times(ratios: list[float], kept: list[float]) -> None:
    left, pauses = iter(ratios), list[None]()
    assert measure_ratios(lambda: next(left), BASELINE, lambda: pauses.append(None)) == tuple(kept)
    assert len(pauses) == len(kept) - 1


def test_a_benchmark_without_a_baseline_is_measured_once() -> None:
    assert measure_ratios(lambda: 100.0, None, lambda: None) == (100.0,)


def test_a_benchmark_is_slower_only_if_all_its_measurements_are_over_the_limit() -> None:
    assert measurement(2.41, 2.5).verdict is Verdict.SLOWER
    assert measurement(2.5, 2.39).verdict is Verdict.UNCHANGED
    assert measurement(1.7).verdict is Verdict.UNCHANGED
    assert measurement(1.6).verdict is Verdict.FASTER
    assert measurement(1.6, baseline=None).verdict is Verdict.NO_BASELINE


def test_a_failure_names_the_benchmark_the_slow_down_the_limit_the_machine_and_the_next_step() -> None:
    message = failure_message(measurement(3.1, 3.0, 3.2, 3.3))
    assert message.startswith("margin is 1.50 times slower than its baseline; up to 1.20 times is attributed to noise.")
    for part in ("ratio to its control: 3, the lowest of 3.1, 3, 3.2, 3.3", "baseline: 2, the median of 3 runs"):
        assert part in message
    for part in ("a kind", f"PyTorch: {torch.__version__}; baseline: 2.5.0", "conformance.timing speed"):
        assert part in message


def test_a_missing_baseline_is_reported_with_the_file_the_kind_of_cpu_and_the_command() -> None:
    message = missing_message(measurement(3.0, baseline=None))
    for part in ("margin: speed/baseline.json", "(a kind)", "python -m softal_bench.conformance.timing speed"):
        assert part in message


def test_the_table_shows_each_ratio_and_asks_for_a_new_baseline_if_code_became_faster() -> None:
    assert summary_table([measurement(2.1)])[1].split() == ["margin", "2.100", "2.000", "1.05", "1.20", "unchanged"]
    assert summary_table([measurement(2.1, baseline=None)])[1].split() == [
        "margin",
        "2.100",
        "-",
        "-",
        "-",
        "no",
        "baseline",
    ]
    assert "measured 2 times" in summary_table([measurement(9.0, 2.1)])[1]
    assert summary_table([measurement(1.0)])[-1].endswith(
        "renew the baseline: python -m softal_bench.conformance.timing speed"
    )


def test_planted_work_takes_1_5_times_as_long() -> None:
    time = Time()

    def ticking() -> float:
        time.now += 0.001
        return time.now

    start = time.now
    slowed(time.work("subject", 2.0), ticking)()
    assert time.now - start == pytest.approx(3.0, abs=0.01)


def test_a_slow_down_in_an_unknown_benchmark_is_an_error_that_lists_the_benchmarks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_known_plant({"margin"})
    monkeypatch.setenv(PLANT_VARIABLE, "margim")
    with pytest.raises(
        pytest.UsageError, match=r"unknown benchmark 'margim'; did you mean 'margin'\? .*entropy, margin"
    ):
        require_known_plant({"margin", "entropy"})
