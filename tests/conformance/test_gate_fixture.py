"""The fixture in a plugin author's own tests, with a clock that advances only while work runs."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from softal_bench.conformance.timing import renew as renewal
from softal_bench.conformance.timing.baseline import Baseline, cpu_kind, read_baseline, write_baseline
from softal_bench.conformance.timing.measure import PLANT_VARIABLE
from softal_bench.conformance.timing.renew import GateResult

CONFTEST = """
from contextlib import contextmanager
import pytest
from softal_bench.conformance import timing

pytest_plugins = ["softal_bench.conformance.timing"]

class Time:
    now = 0.0
    def __call__(self):
        self.now += 1e-5
        return self.now
    def work(self, seconds):
        def run():
            self.now += seconds
        return run

@pytest.fixture
def time(monkeypatch):
    time = Time()
    @contextmanager
    def clock():
        yield time
    monkeypatch.setattr(timing, "undisturbed_clock", clock)
    monkeypatch.setattr(timing, "_PAUSE", 0.0)
    return time
"""

TESTS = """
def test_margin(against_control, time):
    against_control(time.work(0.02), time.work(0.01))

def test_steady(against_control, time):
    against_control(time.work(0.01), time.work(0.01))
"""


@pytest.fixture
def author(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An author's folder with two benchmarks, whose ratios are 2 and 1."""
    monkeypatch.delenv(PLANT_VARIABLE, raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # else pytest-benchmark measures nothing
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_speed=TESTS)
    return pytester


def write_ratios(author: pytest.Pytester, margin: float, runs: int = 3) -> None:
    ratios = {"margin": [margin] * runs, "steady": [1.0] * runs}
    write_baseline(author.path / "baseline.json", cpu_kind(), ratios)


def test_the_gate_skips_without_a_baseline_for_this_cpu_and_says_how_to_make_one(author: pytest.Pytester) -> None:
    ended = author.runpytest_inprocess("-rs")
    ended.assert_outcomes(skipped=2)
    ended.stdout.fnmatch_lines(
        [f"*no baseline of at least 3 runs*run python -m softal_bench.conformance.timing {author.path}"]
    )


def test_a_baseline_of_too_few_runs_is_not_used(author: pytest.Pytester) -> None:
    write_ratios(author, 2.0, runs=2)
    author.runpytest_inprocess().assert_outcomes(skipped=2)


def test_a_missing_baseline_fails_if_it_is_required(author: pytest.Pytester) -> None:
    ended = author.runpytest_inprocess("--gate=require")
    ended.assert_outcomes(failed=2)
    assert ended.ret == 1


def test_unchanged_code_passes_and_its_ratios_are_shown(author: pytest.Pytester) -> None:
    write_ratios(author, 2.0)
    ended = author.runpytest_inprocess("--gate=require")
    ended.assert_outcomes(passed=2)
    ended.stdout.fnmatch_lines(["*ratios to controls on*", "margin*2.0*unchanged", "steady*1.0*unchanged"])


def test_slower_code_fails_with_its_name_and_without_a_traceback(author: pytest.Pytester) -> None:
    write_ratios(author, 1.4)
    ended = author.runpytest_inprocess()
    ended.assert_outcomes(passed=1, failed=1)
    ended.stdout.fnmatch_lines(
        ["margin is 1.43 times slower than its baseline; up to 1.20 times is attributed to noise."]
    )
    ended.stdout.fnmatch_lines(["margin*slower, measured 4 times"])
    ended.stdout.no_fnmatch_line("*Traceback*")


def test_faster_code_passes_and_the_summary_asks_for_a_new_baseline(author: pytest.Pytester) -> None:
    write_ratios(author, 3.0)
    ended = author.runpytest_inprocess()
    ended.assert_outcomes(passed=2)
    ended.stdout.fnmatch_lines(["margin*faster", "Some code is faster. To keep the gain, renew the baseline*"])


def test_gate_show_measures_and_does_not_fail_slower_code(author: pytest.Pytester) -> None:
    write_ratios(author, 1.0)
    author.runpytest_inprocess("--gate=show").assert_outcomes(passed=2)


@pytest.mark.parametrize("name", ["margin", "steady"])
def test_a_planted_slow_down_fails_only_the_named_benchmark(
    author: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_ratios(author, 2.0)
    monkeypatch.setenv(PLANT_VARIABLE, name)
    ended = author.runpytest_inprocess()
    ended.assert_outcomes(passed=1, failed=1)
    ended.stdout.fnmatch_lines([f"{name} is 1.50 times slower than its baseline*"])


def test_a_slow_down_planted_in_an_unknown_benchmark_stops_the_run_and_lists_the_names(
    author: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PLANT_VARIABLE, "nothing")
    ended = author.runpytest_inprocess()
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*SOFTAL_BENCH_PLANT: unknown benchmark 'nothing'*margin, steady"])


def test_two_benchmarks_with_the_same_name_in_a_folder_are_an_error(author: pytest.Pytester) -> None:
    author.makepyfile(test_again=TESTS)
    ended = author.runpytest_inprocess()
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*test_margin* has the same name as *test_margin; rename one of them*"])


def test_a_broken_baseline_fails_and_names_the_file(author: pytest.Pytester) -> None:
    (author.path / "baseline.json").write_text("{broken")
    ended = author.runpytest_inprocess()
    ended.assert_outcomes(failed=2)
    ended.stdout.fnmatch_lines(["*baseline.json: cannot be read as a baseline*"])


def test_with_benchmarks_disabled_the_work_runs_once_without_a_verdict(author: pytest.Pytester) -> None:
    write_ratios(author, 0.1)
    author.runpytest_inprocess("--benchmark-disable").assert_outcomes(skipped=2)


def test_without_pytest_benchmark_the_run_says_what_to_install(author: pytest.Pytester) -> None:
    ended = author.runpytest_inprocess("-p", "no:benchmark")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*pip install 'softal-bench?test?'"])


def renew(monkeypatch: pytest.MonkeyPatch, folder: Path, ratios: Sequence[float]) -> Result:
    """Renew the baseline of a benchmark that measures these ratios, one per run."""
    left = iter(ratios)

    def run_benchmarks(_tests: Sequence[Path], _gate: str) -> list[GateResult]:
        found = GateResult(
            name="margin", ratio=next(left), verdict="no baseline", baseline=str(folder / "baseline.json")
        )
        return [found]

    monkeypatch.setattr(renewal, "run_benchmarks", run_benchmarks)
    return CliRunner().invoke(renewal.renew, [str(folder), "--runs", str(len(ratios))])


def test_renewing_keeps_the_ratio_of_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = renew(monkeypatch, tmp_path, [1.0, 1.1, 1.2])
    assert ended.exit_code == 0
    baseline = read_baseline(tmp_path / "baseline.json", cpu_kind(), "margin")
    assert isinstance(baseline, Baseline)
    assert baseline.ratios == (1.0, 1.1, 1.2)
    assert "tolerance 1.21 times" in ended.stdout
    assert "too noisy" not in ended.stdout


def test_renewing_reports_runs_that_differ_too_much_to_detect_a_slow_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "too noisy to detect a slow-down" in renew(monkeypatch, tmp_path, [1.0, 1.0, 1.4]).stdout


def test_a_planted_slow_down_is_not_written_to_a_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLANT_VARIABLE, "margin")
    ended = renew(monkeypatch, tmp_path, [1.0, 1.0, 1.0])
    assert ended.exit_code == 2
    assert "SOFTAL_BENCH_PLANT is set" in ended.output
    assert not (tmp_path / "baseline.json").exists()


def test_renewing_measures_in_new_processes(author: pytest.Pytester) -> None:
    ended = CliRunner().invoke(renewal.renew, [str(author.path), "--runs", "3"])
    assert ended.exit_code == 0, ended.output
    (entries,) = json.loads((author.path / "baseline.json").read_text()).values()
    assert [round(ratio) for ratio in entries["margin"]["ratios"]] == [2, 2, 2]


def test_renewing_stops_if_the_benchmarks_do_not_run(author: pytest.Pytester) -> None:
    author.makepyfile(test_speed="def test_margin(against_control): raise OSError('not now')")
    ended = CliRunner().invoke(renewal.renew, [str(author.path)])
    assert ended.exit_code == 1
    assert "first make these tests pass" in ended.output
    assert "not now" in ended.output
