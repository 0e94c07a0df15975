"""`--executor`: its help, options that do not fit together, and how a run with workers is stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from run.example import journals, of_kind, settled
from suite.example import acquiring, write_suite

from softal_bench.cli.plan import num_cores

from .conftest import CommandLine

WAIT = 120  # seconds; an idle machine takes 5
GOES_ON = "all complete rounds are kept. To continue, run the same command"
NAPS: list[dict[str, Any]] = [{"naps": {"seconds": 0.1}}, {"naps": {"seconds": 0.11}}]


def test_a_run_in_processes_names_its_device_and_ends_like_an_inline_run(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, trials=2)
    outcome = cli.alone("run", suite, "--executor", "processes", "--jobs", 2)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.lines[0].startswith("tiny on cpu (")
    assert outcome.lines[0].endswith(", 2 processes")
    assert "[4/4]" in outcome.output
    assert "; 0 rounds left" in outcome.output
    assert "trials: 4 done" in outcome.output
    cli("run", suite, "--runs", "inline", "--quiet")
    assert settled(cli.folder / "runs") == settled(cli.folder / "inline")


def test_too_many_threads_are_reported_in_one_line(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, threads=num_cores())
    outcome = cli.alone("run", suite, "--executor", "processes", "--jobs", 3, "--quiet")
    assert outcome.exit_code == 0, outcome.output
    told = f"3 processes with {num_cores()} threads each use more threads than the {num_cores()} cores available"
    assert outcome.lines[0] == told


def test_the_default_number_of_processes_fits_the_cores(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softal_bench.cli.plan.num_cores", lambda: 6)
    suite = write_suite(cli.folder, threads=2)
    outcome = cli("run", suite, "--executor", "processes", "--dry-run")
    assert ", 3 processes" in outcome.lines[0]
    assert "devices" not in outcome.output


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--jobs", "2"], "--jobs 2: use it with --executor processes or ray"),
        (["--devices", "cpu"], "--devices cpu: use it with --executor processes"),
        (["--executor", "ray", "--devices", "cpu"], "--devices cpu: use it with --executor processes"),
        (["--executor", "processes", "--ray-address", "auto"], "--ray-address auto: use it with --executor ray"),
        (["--executor", "processes", "--devices", "gpu"], "unknown device 'gpu'"),
        (["--executor", "processes", "--devices", "cpu,cuda:99"], "device 'cuda:99' was asked for"),
        (["--executor", "threads"], "'threads' is not one of"),
        (["--executor", "processes", "--jobs", "0"], "0 is not in the range"),
    ],
    ids=" ".join,
)
def test_invalid_options_are_refused(cli: CommandLine, options: list[str], what: str) -> None:
    outcome = cli("run", write_suite(cli.folder), *options)
    assert outcome.exit_code == 2
    assert what in outcome.output
    assert set(cli.files()) == {"tiny.yaml"}


def test_a_cost_suite_runs_only_inline(cli: CommandLine) -> None:
    path = cli.folder / "cost.yaml"
    path.write_text("{kind: cost, name: c, pool_size: 9, matrix: {acquisition: [uniform], batch_size: [1]}}")
    outcome = cli("run", path, "--executor", "processes")
    assert outcome.exit_code == 2
    assert outcome.output.strip() == (
        f"Error: --executor processes: {path} is a cost suite, whose cells are measured one at a time; "
        "leave out --executor"
    )


def test_without_ray_one_line_says_how_to_install_it(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    outcome = cli("run", write_suite(cli.folder), "--executor", "ray")
    assert outcome.exit_code == 2
    assert "--executor ray needs Ray; install it with: pip install 'softal-bench[ray]'" in outcome.lines[-1]


def rounds_in(runs: Path) -> int:
    return sum(path.read_bytes().count(b'"kind": "round"') for path in (runs / "tiny").glob("*.jsonl"))


def wait_for_rounds(process: "subprocess.Popen[str]", runs: Path, rounds: int) -> None:
    until = time.monotonic() + WAIT
    while rounds_in(runs) < rounds:
        assert process.poll() is None, "it ended before it was stopped; make the suite longer"
        assert time.monotonic() < until
        time.sleep(0.005)


def wait_for_journals(process: "subprocess.Popen[str]", runs: Path, number: int) -> None:
    """Wait until this many journals have an attempt, which an interrupt can end."""
    until = time.monotonic() + WAIT
    while sum(bool(of_kind(lines, "attempt")) for lines in journals(runs).values()) < number:
        assert process.poll() is None, "it ended before it was stopped; make the suite longer"
        assert time.monotonic() < until
        time.sleep(0.005)


def children_of(process: int) -> list[int]:
    """Return all descendants of a process, on Linux."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    below = [int(child) for task in tasks for child in task.read_text().split()]
    return below + [grandchild for child in below for grandchild in children_of(child)]


def are_gone(processes: list[int]) -> bool:
    until = time.monotonic() + 10
    while left := [number for number in processes if Path(f"/proc/{number}/cmdline").exists() and not zombie(number)]:
        if time.monotonic() > until:
            return not left
        time.sleep(0.01)
    return True


def zombie(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.usefixtures("fakes_for_children")
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells processes by /proc, which is Linux's")
def test_a_stopped_run_with_workers_reports_remaining_trials_and_leaves_no_process(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, model="flat", matrix=acquiring(*NAPS), trials=2, budget=80)
    runs, command = cli.folder / "runs", ("run", suite, "--executor", "processes", "--jobs", 2)
    for number, status, word in ((signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")):
        process = cli.start(*command)
        wait_for_rounds(process, runs, rounds_in(runs) + 4)
        below = children_of(process.pid)
        assert len(below) >= 3  # at least the server and two workers
        process.send_signal(number)
        output, _ = process.communicate(timeout=WAIT)
        assert process.returncode == status, output
        assert "left for the next run: 2 trials that have started, which continue after their " in output
        assert f"{word}; {GOES_ON}" in output
        assert "Traceback" not in output
        assert are_gone(below)
        for journal in filter(None, journals(runs).values()):  # a journal is empty until its trial starts
            assert journal[-1]["kind"] == "interrupt"
            assert len(of_kind(journal, "interrupt")) == len(of_kind(journal, "attempt"))
    assert cli.alone(*command).exit_code == 0
    cli("run", suite, "--runs", "undisturbed")
    assert settled(runs) == settled(cli.folder / "undisturbed")


@pytest.mark.usefixtures("fakes_for_children")
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells processes by /proc, which is Linux's")
def test_killing_a_run_also_ends_its_workers(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, model="flat", matrix=acquiring(*NAPS), budget=80)
    process = cli.start("run", suite, "--executor", "processes", "--jobs", 2)
    wait_for_rounds(process, cli.folder / "runs", 2)
    below = children_of(process.pid)
    assert len(below) >= 3  # at least the server and two workers
    process.kill()
    process.communicate()
    assert are_gone(below)


@pytest.mark.usefixtures("fakes_for_children")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_stops_code_that_catches_the_first(cli: CommandLine, number: int, status: int) -> None:
    (cli.folder / "notes").touch()
    stubborn: dict[str, Any] = {"crashes": {"how": "stubborn", "notes": str(cli.folder / "notes")}}
    process = cli.start("run", write_suite(cli.folder, model="flat", matrix=acquiring(stubborn)))
    wait_for_rounds(process, cli.folder / "runs", 1)
    while not (cli.folder / "notes").read_text():
        time.sleep(0.01)
    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == status


@pytest.mark.usefixtures("fakes_for_children")
@pytest.mark.parametrize("executor", [[], ["--executor", "processes", "--jobs", "2"]], ids=["inline", "processes"])
def test_a_full_disk_is_an_error_and_the_run_resumes_once_there_is_space(cli: CommandLine, executor: list[str]) -> None:
    suite = write_suite(cli.folder, model="flat", matrix=acquiring("uniform", "bald"), budget=60)
    limited = (
        "import resource, signal, sys; from softal_bench.cli import main\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))\n"
        "    main(sys.argv[1:])\n"
    )
    (cli.folder / "limited.py").write_text(limited)
    command = [sys.executable, "limited.py", "run", str(suite), *executor]
    ended = subprocess.run(command, cwd=cli.folder, capture_output=True, text=True, timeout=WAIT, check=False)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "cannot be written: File too large; the lines written before are kept" in ended.stderr
    assert "Traceback" not in ended.stderr
    cut = {path: path.read_bytes() for path in (cli.folder / "runs" / "tiny").glob("*.jsonl")}
    assert max(len(data) for data in cut.values()) == 4096
    outcome = cli.alone("run", suite, *executor)
    assert outcome.exit_code == 0, outcome.output
    for path, data in cut.items():
        assert path.read_bytes().startswith(data[: data.rfind(b"\n") + 1])
    cli("run", suite, "--runs", "undisturbed")
    assert settled(cli.folder / "runs") == settled(cli.folder / "undisturbed")


@pytest.mark.usefixtures("fakes_for_children")
@pytest.mark.slow
def test_a_signal_to_runner_and_workers_is_an_interrupt_and_not_a_death(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, model="flat", matrix=acquiring(*NAPS), budget=80)
    command = [sys.executable, "-m", "softal_bench", "run", str(suite), "--executor", "processes", "--jobs", "2"]
    process = subprocess.Popen(
        command, cwd=cli.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    wait_for_rounds(process, cli.folder / "runs", 4)
    wait_for_journals(process, cli.folder / "runs", 2)
    os.killpg(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 143, output
    assert "its process" not in output
    assert [lines[-1]["kind"] for lines in journals(cli.folder / "runs").values()] == ["interrupt"] * 2
