"""The logic of the gate for speed, on made-up timings; the gate itself runs in tests/benchmarks."""

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

from softal_bench.conformance.timing import clock, plant
from softal_bench.conformance.timing.baseline import BaselineError, Learnt, cpu_kind, maker, recall, remember
from softal_bench.conformance.timing.pairs import Pair, Turns, ratio
from softal_bench.conformance.timing.steady import steady
from softal_bench.conformance.timing.verdict import Measured, attempt, failure, missing, table, usable

LEARNT = Learnt((1.9, 2.0, 2.02), "2.5.0")


class Time:
    """A clock that work moves on, by the seconds that it takes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, *seconds: float) -> Callable[[], None]:
        """Work that takes these seconds in turn, over and over."""

        def run() -> None:
            self.now += seconds[self.log.count(name) % len(seconds)]
            self.log.append(name)

        return run


def measured(*ratios: float, learnt: Learnt | None = LEARNT, path: Path = Path("speed/baseline.json")) -> Measured:
    return Measured("margin", ratios, learnt, "a kind", path)


def test_subject_and_control_are_timed_in_turn_and_each_by_itself() -> None:
    time = Time()
    turns = Turns(time.work("subject", 3.0), time.work("control", 2.0), time)
    turns.run(3)
    assert time.log == ["control", "subject"] * 3
    assert turns.take() == [Pair(2.0, 3.0)] * 3
    assert turns.take() == []


def test_the_ratio_is_the_median_over_pairs_so_that_one_disturbed_in_four_does_not_move_it() -> None:
    assert ratio([Pair(2.0, 3.0), Pair(2.0, 30.0), Pair(4.0, 6.0), Pair(20.0, 3.0), Pair(1.0, 1.5)]) == 1.5


def test_a_slow_spell_that_covers_whole_pairs_leaves_the_ratio_as_it_is() -> None:
    time = Time()
    turns = Turns(time.work("subject", 3.0, 9.0, 9.0), time.work("control", 2.0, 6.0, 6.0), time)
    turns.run(9)
    assert ratio(turns.take()) == 1.5


@pytest.mark.parametrize(("pair_seconds", "rounds"), [(0.04, 75), (1.0, 15), (1e-5, 200), (0.0, 200)])
def test_pairs_fill_the_time_given_within_15_and_200(pair_seconds: float, rounds: int) -> None:
    time = Time()
    turns = Turns(time.work("subject", pair_seconds / 2), time.work("control", pair_seconds / 2), time)
    assert turns.rounds_in(3.0) == rounds
    assert turns.take() == []


def test_pytorch_runs_on_one_thread_while_it_is_timed_and_on_as_many_as_before_after_it() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with steady():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


FAULTS = """
import resource, torch
from softal_bench.conformance.timing.steady import steady

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**22)  # 4096 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(min(faults() for _ in range(5)))
with steady():
    print(min(faults() for _ in range(5)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep freed memory")
def test_memory_that_work_frees_is_not_mapped_anew_while_it_is_timed() -> None:
    hands_back = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    command = [sys.executable, "-c", FAULTS]
    told = subprocess.run(command, env={**os.environ, **hands_back}, capture_output=True, text=True, check=True)
    before, within = map(int, told.stdout.split())
    assert before > 4000
    assert within < 100


def test_waiting_for_a_core_is_not_counted_and_sleeping_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = tmp_path / "schedstat"
    wall = Time()
    monkeypatch.setattr(clock, "_COUNTER", str(counter))
    monkeypatch.setattr("time.perf_counter", wall)
    counter.write_text("0 1000000000 5\n")
    with clock.undisturbed_clock() as now:
        start = now()
        wall.now += 10.0  # of which the thread was ready without a core for 4 s
        counter.write_text("0 5000000000 5\n")
        assert now() - start == pytest.approx(6.0)


def test_where_waiting_is_not_counted_the_clock_is_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Time()
    monkeypatch.setattr(clock, "_COUNTER", "/nowhere")
    monkeypatch.setattr("time.perf_counter", wall)
    with clock.undisturbed_clock() as now:
        wall.now = 7.0
        assert now() == 7.0
    assert clock.waited(b"") == 0.0


def test_a_baseline_is_the_median_of_its_runs_and_its_tolerance_the_square_of_their_spread() -> None:
    learnt = Learnt((1.0, 1.0, 1.0, 1.12, 0.95), "2.5.0")
    assert learnt.ratio == 1.0
    assert learnt.spread == pytest.approx(1.12)
    assert learnt.tolerance == pytest.approx(1.12**2)
    assert not learnt.noisy


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=9))
def test_a_tolerance_is_never_so_wide_that_a_slow_down_of_half_as_much_again_is_lost(ratios: list[float]) -> None:
    learnt = Learnt(tuple(ratios), "2.5.0")
    assert 1.2 <= learnt.tolerance <= 1.3
    assert learnt.noisy == (max(max(ratios) / learnt.ratio, learnt.ratio / min(ratios)) > 1.3)
    assert learnt.ratio == statistics.median(ratios)


def test_renewing_puts_new_ratios_in_place_of_old_ones_and_leaves_other_kinds_and_benchmarks(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert recall(path, "kind", "a") is None
    remember(path, "kind", {"a": [1.0, 2.0, 3.0], "b": [4.0]})
    remember(path, "other kind", {"a": [5.0]})
    remember(path, "kind", {"a": [6.00004]})
    assert recall(path, "kind", "a") == Learnt((6.0,), torch.__version__)
    assert recall(path, "kind", "b") == Learnt((4.0,), torch.__version__)
    assert recall(path, "other kind", "a") == Learnt((5.0,), torch.__version__)
    assert recall(path, "third kind", "a") is None
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
def test_a_file_that_is_no_baseline_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(BaselineError, match=str(path)):
        recall(path, "kind", "a")


def test_too_few_runs_are_no_baseline() -> None:
    assert usable(None) is None
    assert usable(Learnt((1.0, 1.0), "2.5.0")) is None
    assert usable(LEARNT) is LEARNT


def test_a_kind_of_cpu_is_its_maker_family_and_model_with_the_instruction_set_in_use() -> None:
    arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd40\n\nprocessor\t: 1\n"
    assert maker(arm) == "implementer 0x41 architecture 8 part 0xd40"
    assert maker("") == ""
    assert cpu_kind().endswith(f", {torch.backends.cpu.get_cpu_capability()}")


@pytest.mark.parametrize(
    ("ratios", "kept"),
    [
        ([2.3], [2.3]),
        ([2.5, 2.3, 9.0], [2.5, 2.3]),
        ([3.0, 3.1, 3.2, 2.9, 2.0], [3.0, 3.1, 3.2, 2.9]),
    ],
)
def test_what_is_over_its_limit_is_measured_again_until_it_is_not_four_times_in_all(
    ratios: list[float], kept: list[float]
) -> None:
    left, pauses = iter(ratios), list[None]()
    assert attempt(lambda: next(left), LEARNT, lambda: pauses.append(None)) == tuple(kept)
    assert len(pauses) == len(kept) - 1


def test_without_a_baseline_nothing_is_measured_again() -> None:
    assert attempt(lambda: 100.0, None, lambda: None) == (100.0,)


def test_a_benchmark_is_slower_only_if_all_its_measurements_are_over_the_limit() -> None:
    assert measured(2.41, 2.5).verdict == "slower"
    assert measured(2.5, 2.39).verdict == "as before"
    assert measured(1.7).verdict == "as before"
    assert measured(1.6).verdict == "faster"
    assert measured(1.6, learnt=None).verdict == "no baseline"


def test_a_failure_says_which_by_how_much_what_is_allowed_on_what_and_what_to_do() -> None:
    message = failure(measured(3.1, 3.0, 3.2, 3.3))
    assert message.startswith("margin is 1.50 times slower than its baseline; up to 1.20 times is taken for noise.")
    for told in ("ratio to its control: 3, the lowest of 3.1, 3, 3.2, 3.3", "baseline: 2, the median of 3 runs"):
        assert told in message
    for told in ("a kind", f"torch: {torch.__version__}; the baseline's: 2.5.0", "conformance.timing speed"):
        assert told in message


def test_a_missing_baseline_names_the_file_the_kind_of_cpu_and_the_command_that_makes_one() -> None:
    message = missing(measured(3.0, learnt=None))
    for told in ("margin: speed/baseline.json", "(a kind)", "python -m softal_bench.conformance.timing speed"):
        assert told in message


def test_the_table_tells_each_ratio_and_asks_for_a_new_baseline_where_code_got_faster() -> None:
    assert table([measured(2.1)])[1].split() == ["margin", "2.100", "2.000", "1.05", "1.20", "as", "before"]
    assert table([measured(2.1, learnt=None)])[1].split() == ["margin", "2.100", "-", "-", "-", "no", "baseline"]
    assert "measured 2 times" in table([measured(9.0, 2.1)])[1]
    assert table([measured(1.0)])[-1].endswith(
        "renew the baseline, so that it holds the gain: python -m softal_bench.conformance.timing speed"
    )


def test_a_planted_slow_down_takes_half_as_much_again() -> None:
    time = Time()

    def ticking() -> float:
        time.now += 0.001
        return time.now

    start = time.now
    plant.slowed(time.work("subject", 2.0), ticking)()
    assert time.now - start == pytest.approx(3.0, abs=0.01)


def test_a_slow_down_in_an_unknown_benchmark_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    plant.require_known({"margin"})
    monkeypatch.setenv(plant.VARIABLE, "margim")
    with pytest.raises(
        pytest.UsageError, match=r"unknown benchmark 'margim'; did you mean 'margin'\? .*entropy, margin"
    ):
        plant.require_known({"margin", "entropy"})
