"""The command line, in this process and in others, in an empty folder."""

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
    """How a command ended: its exit code and its output on both streams."""

    exit_code: int
    output: str

    @property
    def lines(self) -> list[str]:
        return self.output.strip().splitlines()


class CommandLine:
    """The command `softal-bench`, run in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: object) -> Outcome:
        """Run a command in this process, without a terminal. A traceback fails the test."""
        result = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
        return Outcome(result.exit_code, result.output)

    def alone(self, *arguments: object) -> Outcome:
        """Run a command in another process, as users do, and wait for its end."""
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
        """Return the contents of every file by relative path; folders are listed with empty contents."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b""
            for path in self.folder.rglob("*")
        }


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """Return the command line in an empty folder; the data folder, `data`, does not exist."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFTAL_DATA", str(tmp_path / "data"))
    yield CommandLine(tmp_path)
    signal.signal(signal.SIGTERM, handler)
