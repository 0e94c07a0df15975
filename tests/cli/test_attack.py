"""Damage by users, plugins, other programs and broken files: the command line prints a message and loses nothing."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from run.example import journals, of_kind
from suite.example import acquiring, write_suite

from softal_bench.journal import file as journal
from softal_bench.journal.lines import Stale, now
from softal_bench.records.merge import carry_out, plan_merge

from .conftest import CommandLine, Outcome

COMMAND = [sys.executable, "-m", "softal_bench"]


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """Fail a test that hangs."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("the command does not end"))
    signal.alarm(240)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def suite(cli: CommandLine, fakes: None) -> Path:
    """Write the tiny suite with a model that learns nothing and takes no time."""
    return write_suite(cli.folder, model="flat")


@pytest.fixture
def done(cli: CommandLine, suite: Path) -> list[Path]:
    """Run the suite and return its journals."""
    assert cli("run", suite, "--quiet").exit_code == 0
    return sorted((cli.folder / "runs" / "tiny").glob("*.jsonl"))


def changed(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def is_message(outcome: Outcome) -> bool:
    return "Traceback" not in outcome.output and outcome.exit_code in (1, 2) and "rror" in outcome.output


# Merging


def test_a_journal_that_grew_after_the_plan_is_not_replaced(cli: CommandLine, done: list[Path]) -> None:
    shutil.copytree(cli.folder / "runs", cli.folder / "other")
    whole = done[0].read_bytes()
    done[0].write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    plan = plan_merge([cli.folder / "other"], cli.folder / "runs")
    assert list(plan.changes) == [done[0]]
    done[0].write_bytes(whole)
    journal.append(done[0], Stale(time=now(), plugins=[]))  # one more line
    grown = done[0].read_bytes()
    assert carry_out(plan) == 0
    assert done[0].read_bytes() == grown


def test_a_journal_that_now_differs_is_not_replaced(cli: CommandLine, done: list[Path]) -> None:
    shutil.copytree(cli.folder / "runs", cli.folder / "other")
    done[0].write_bytes(b"".join(done[0].read_bytes().splitlines(keepends=True)[:3]))
    plan = plan_merge([cli.folder / "other"], cli.folder / "runs")
    changed(done[0], lambda lines: lines[2].update(accuracy=0.123))
    other = done[0].read_bytes()
    with pytest.raises(Exception, match="one key, but round 0 differs"):
        carry_out(plan)
    assert done[0].read_bytes() == other


# Journals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines.pop(3), "is round 2, expected round 1"),
        (lambda lines: lines[3].update(round=7), "is round 7, expected round 1"),
        (lambda lines: lines[-1]["acquired"].pop(), "acquired 4 points, expected 5"),
        (lambda lines: lines[2].update(labels=10**400), "labels"),
        (lambda lines: lines[2].update(seconds=None), "seconds"),
    ],
    ids=["missing round", "number", "small batch", "400 digits", "null"],
)
def test_an_unfinished_journal_that_cannot_be_continued_is_named_and_the_run_fails(
    cli: CommandLine, suite: Path, done: list[Path], change: Callable[[list[dict[str, Any]]], object], message: str
) -> None:
    changed(done[0], lambda lines: (lines.pop(), lines.pop()))  # remove the end and the last round
    changed(done[0], change)
    before = done[0].read_bytes()
    outcome = cli("run", suite)
    assert outcome.exit_code == 1
    assert message in outcome.output
    assert "Traceback" not in outcome.output
    assert done[0].read_bytes() == before


def test_a_done_journal_that_the_page_cannot_read_fails_the_run(
    cli: CommandLine, suite: Path, done: list[Path]
) -> None:
    changed(done[0], lambda lines: lines[0].update(trial=3))
    outcome = cli("run", suite)
    assert outcome.exit_code == 1
    assert f"not readable: runs/tiny/{done[0].name}: holds trial 3" in outcome.output


@pytest.mark.parametrize("what", ["journal", "lock"])
def test_symbolic_links_are_not_followed(cli: CommandLine, suite: Path, done: list[Path], what: str) -> None:
    target = cli.folder / "precious"
    target.write_bytes(done[0].read_bytes() if what == "journal" else b"precious")
    before = target.read_bytes()
    link = done[0] if what == "journal" else done[0].parent / ".locks" / f"{done[0].stem}.lock"
    changed(done[0], lambda lines: (lines.pop(), lines.pop()))
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    outcome = cli("run", suite)
    assert outcome.exit_code == 1
    assert "Traceback" not in outcome.output
    assert "symbolic link" in outcome.output
    assert target.read_bytes() == before
    assert link.is_symlink()


@pytest.mark.parametrize("what", ["journal", "lock", "suite", "page", "manifest"])
def test_a_fifo_in_place_of_a_file_does_not_hang(cli: CommandLine, suite: Path, done: list[Path], what: str) -> None:
    path = {
        "journal": done[0],
        "lock": done[0].parent / ".locks" / f"{done[0].stem}.lock",
        "suite": suite,
        "page": cli.folder / "leaderboard" / "other.md",
        "manifest": cli.folder / "leaderboard" / "figures" / "manifest.json",
    }[what]
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for command in (["status", suite], ["run", suite], ["leaderboard", suite], ["check", suite]):
        outcome = cli(*command)
        assert "Traceback" not in outcome.output
    if what in ("journal", "suite", "page", "manifest"):
        assert "is not a regular file" in cli("leaderboard", suite).output


@pytest.mark.parametrize("text", ["1e999", "[" * 100_000, '{"tiny": 1e999}', "\ud800", '{"a": ' * 5000])
@pytest.mark.parametrize("what", ["manifest", "page"])
def test_damaged_files_in_the_leaderboard_do_no_harm(
    cli: CommandLine, suite: Path, done: list[Path], what: str, text: str
) -> None:
    folder = cli.folder / "leaderboard"
    data = text.encode(errors="surrogatepass")
    if what == "manifest":
        (folder / "figures" / "manifest.json").write_bytes(data)
    else:
        (folder / "other.md").write_bytes(b"<!-- softal-bench suite page: " + data + b" -->\n")
    outcome = cli("leaderboard", suite)
    assert outcome.exit_code == 0, outcome.output
    assert (folder / "README.md").read_text().count("](tiny.md)") == 1


def test_a_file_name_in_the_leaderboard_is_not_html(cli: CommandLine, suite: Path, done: list[Path]) -> None:
    folder = cli.folder / "leaderboard"
    (folder / 'x"><img src=x onerror=alert(1)>.md').write_bytes((folder / "tiny.md").read_bytes())
    assert cli("leaderboard", suite).exit_code == 0
    assert "<img" not in (folder / "README.md").read_text()


def test_an_error_in_a_journal_cannot_control_the_terminal(cli: CommandLine, suite: Path, done: list[Path]) -> None:
    changed(done[0], lambda lines: lines[-1].update(status="failed", error="red \x1b[31m\x07 \x9b2J \u202e end"))
    for command in (["run", suite], ["status", suite], ["leaderboard", suite], ["verify", "runs", "--sample", 0]):
        outcome = cli(*command)
        assert "Traceback" not in outcome.output
        assert not set("\x1b\x07\x9b\u202e") & set(outcome.output)


# Plugins


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("os._exit", "raised SystemExit: os._exit(0)"),
        ("unspeakable", "raised Unspeakable: Unspeakable"),
        ("gone", "raised Gone: gone without a word"),
        ("surrogate", "raised RuntimeError: half a character"),
    ],
)
@pytest.mark.parametrize("executor", [[], ["--executor", "processes", "--jobs", 1]], ids=["inline", "processes"])
@pytest.mark.usefixtures("fakes_for_children")
def test_any_exception_in_a_plugin_fails_only_its_trial(
    cli: CommandLine, executor: list[Any], how: str, reason: str
) -> None:
    notes = cli.folder / "notes"
    notes.touch()
    crashes = {"crashes": {"how": how, "notes": str(notes)}}
    suite = write_suite(cli.folder, model="flat", matrix=acquiring(crashes, "uniform"))
    outcome = cli("run", suite, *executor)
    assert outcome.exit_code == 1, outcome.output
    assert "trials: 1 done, 1 failed" in outcome.output
    assert reason in outcome.output
    lines = [line for one in journals(cli.folder / "runs").values() for line in one]
    assert sorted(line["status"] for line in of_kind(lines, "end")) == ["done", "failed"]


# Streams


def test_closed_standard_streams_are_harmless(cli: CommandLine, fakes_for_children: None) -> None:
    suite = write_suite(cli.folder, model="flat")
    command = f"{' '.join(COMMAND)} run {suite} --executor processes --jobs 2 <&- 1>&- 2>&-"
    assert subprocess.run(["bash", "-c", command], cwd=cli.folder, check=False, timeout=200).returncode == 0
    ends = [of_kind(lines, "end") for lines in journals(cli.folder / "runs").values()]
    assert [one[0]["status"] for one in ends] == ["done", "done"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "command",
    ["--help", "--version", "list", "list suites", "info bald", "check uniform", "status tiny.yaml",
     "run tiny.yaml --dry-run", "export tiny.yaml --format csv", "leaderboard tiny.yaml", "verify runs --sample 0"],
)  # fmt: skip
def test_output_to_a_full_device_is_reported(cli: CommandLine, done: list[Path], command: str) -> None:
    with open("/dev/full", "w") as full, subprocess_environment(cli) as environment:
        ended = subprocess.run(
            [*COMMAND, *command.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False, **environment
        )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("Error: input or output failed: No space left on device; ")
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"MPLBACKEND": "nonsense"}])
def test_unusual_environment_variables_do_no_harm(
    cli: CommandLine, done: list[Path], variables: dict[str, str]
) -> None:
    with subprocess_environment(cli) as environment:
        environment["env"] |= variables
        command = [*COMMAND, "leaderboard", "tiny.yaml"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, **environment)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr


@contextmanager
def subprocess_environment(cli: CommandLine) -> Iterator[dict[str, Any]]:
    """Yield the arguments of a subprocess that sees the fake plugins and runs in the folder of the command line."""
    site = next(path for path in sys.path if (Path(path) / "softal_fakes.py").exists())
    yield {"cwd": cli.folder, "env": {**os.environ, "PYTHONPATH": os.pathsep.join([site, *sys.path])}, "timeout": 200}


# Exports


def test_export_writes_through_pipes_links_and_devices(cli: CommandLine, suite: Path, done: list[Path]) -> None:
    export = ("export", suite, "--format", "csv", "--output")
    assert cli(*export, "table.csv").exit_code == 0
    expected = (cli.folder / "table.csv").read_bytes()

    os.mkfifo(cli.folder / "fifo")
    reader = subprocess.Popen(["cat", str(cli.folder / "fifo")], stdout=subprocess.PIPE)
    assert cli(*export, "fifo").exit_code == 0
    assert reader.communicate(timeout=60)[0] == expected
    assert stat.S_ISFIFO((cli.folder / "fifo").stat().st_mode)

    (cli.folder / "target.csv").write_text("old")
    (cli.folder / "link.csv").symlink_to("target.csv")
    assert cli(*export, "link.csv").exit_code == 0
    assert (cli.folder / "link.csv").is_symlink()
    assert (cli.folder / "target.csv").read_bytes() == expected

    assert cli(*export, "/dev/null").exit_code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("output", ["", ".", "x" * 300, "tiny.yaml/table.csv"])
def test_export_to_an_invalid_path_is_an_error(cli: CommandLine, suite: Path, done: list[Path], output: str) -> None:
    before = cli.files()
    outcome = cli("export", suite, "--format", "csv", "--output", output)
    assert is_message(outcome), outcome.output
    assert cli.files() == before


@pytest.mark.skipif(os.getuid() == 0, reason="root can search every folder")
def test_a_folder_that_cannot_be_searched_is_reported(cli: CommandLine, suite: Path, done: list[Path]) -> None:
    done[0].parent.chmod(0)
    try:
        outcomes = [cli(command, suite) for command in ("run", "status", "leaderboard")]
    finally:
        done[0].parent.chmod(0o755)
    assert all("Traceback" not in outcome.output for outcome in outcomes)


# Costs


COST = (
    "{kind: cost, name: costs, device: cpu, pool_size: 20000, posterior_samples: 100, "
    "measurement: {max_seconds: 30, min_samples: 2, max_samples: 100}, "
    "matrix: {acquisition: [{batchbald: {joint_samples: 1000}}], batch_size: [10]}}"
)


def cost_suite(folder: Path) -> Path:
    path = folder / "costs.yaml"
    path.write_text(COST)
    return path


def test_a_cost_run_that_is_killed_leaves_no_log_probs(cli: CommandLine, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [*COMMAND, "run", str(cost_suite(cli.folder))]
    process = subprocess.Popen(
        command, cwd=cli.folder, env={**os.environ, "TMPDIR": str(temporary)}, start_new_session=True
    )
    try:
        wait_until(lambda: bool(list((cli.folder / "runs").glob("*/*.jsonl"))), process)
        time.sleep(1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file()) < 2**20


def test_a_cost_run_says_that_it_waits_for_another_measurement(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = (
        "import sys, time; from softal_bench.cost.cell import measurement_lock\n"
        "with measurement_lock(lambda: None):\n    print('locked', flush=True); time.sleep(60)\n"
    )
    temporary = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True, env=temporary) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        command = [*COMMAND, "run", str(cost_suite(cli.folder))]
        process = subprocess.Popen(command, cwd=cli.folder, env=temporary, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(2)]
        process.terminate()
        process.communicate(timeout=60)
        other.kill()
    assert "waiting; another cost is being measured on this machine" in said[1]


def test_a_measurement_lock_that_cannot_be_opened_is_reported(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"softal-bench-measuring-{os.getuid()}.lock").mkdir()
    outcome = cli("run", cost_suite(cli.folder))
    assert is_message(outcome), outcome.output
    assert "cannot be locked: Is a directory; remove it" in outcome.output


# Signals


@pytest.mark.slow
def test_two_quick_signals_stop_a_run_once(cli: CommandLine, fakes_for_children: None) -> None:
    suite = write_suite(cli.folder, model="flat", matrix=acquiring("naps"), budget=80)
    process = cli.start("run", suite)
    wait_until(
        lambda: any(b'"round"' in path.read_bytes() for path in (cli.folder / "runs").glob("*/*.jsonl")), process
    )
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted; all complete rounds are kept" in output
    (lines,) = journals(cli.folder / "runs").values()
    assert lines[-1]["kind"] == "interrupt"


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + 120
    while not is_so():
        assert process.poll() is None, "the command ended early"
        assert time.monotonic() < until
        time.sleep(0.02)
