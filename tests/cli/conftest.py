"""The command line, in this process and in another, in an empty folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from softal_bench.cli import main


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, and what it printed on both streams."""

    exit_code: int
    output: str

    @property
    def lines(self) -> list[str]:
        return self.output.strip().splitlines()


class CommandLine:
    """`softal-bench` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: object) -> Outcome:
        """Run a command in this process, its output no terminal. Fails the test if it ends with a traceback."""
        result = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
        return Outcome(result.exit_code, result.output)

    def alone(self, *arguments: object) -> Outcome:
        """Run a command in another process, as users do, to its end."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=300)
        return Outcome(process.returncode, output)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start a command in another process."""
        command = [sys.executable, "-m", "softal_bench", *map(str, arguments)]
        return subprocess.Popen(
            command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ
        )

    def files(self) -> dict[str, bytes]:
        """Every file and folder below, by relative path; a folder's contents are empty."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b""
            for path in self.folder.rglob("*")
        }


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """The command line in an empty folder, with data in its `data`, which is not there."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFTAL_DATA", str(tmp_path / "data"))
    yield CommandLine(tmp_path)
    signal.signal(signal.SIGTERM, handler)
