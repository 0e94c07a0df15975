"""The gate in a process of its own, as often as it takes to learn how much runs differ."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

from softal_bench.conformance.timing import plant
from softal_bench.conformance.timing.baseline import BaselineError

_ENDED = (0, 1)  # pytest's exit status where tests ran and passed, or some failed


class Found(TypedDict):
    """What a run says of a benchmark."""

    name: str
    ratio: float
    verdict: str
    baseline: str


def run_apart(tests: Sequence[Path], gate: Literal["show", "require"], planted: str | None = None) -> list[Found]:
    """Run the benchmarks in `tests` with `--gate`, a slow-down planted in one of them if named.

    Raises:
        BaselineError: if they cannot be measured, or if a test fails of which no verdict is asked.
    """
    environment = {name: value for name, value in os.environ.items() if name != plant.VARIABLE}
    if planted:
        environment[plant.VARIABLE] = planted
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        arguments = [f"--gate={gate}", "--benchmark-only", f"--benchmark-json={report}", "-q", *map(str, tests)]
        command = [sys.executable, "-m", "pytest", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        text = report.read_text(encoding="utf-8") if report.exists() else ""
    found: list[Found] = [row["extra_info"]["gate"] for row in json.loads(text)["benchmarks"]] if text else []
    if not found or ended.returncode not in (_ENDED if gate == "require" else (0,)):
        raise BaselineError(f"the benchmarks cannot be measured; this has to pass first:\n{ended.stdout}{ended.stderr}")
    return found
