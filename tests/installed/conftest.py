"""Wheels of the suite and of the example plugin, installed separately from the sources."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .layer import make_layer

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "plugins" / "softal-bench-example"
SECONDS = 600


@dataclass(frozen=True)
class Installed:
    """An environment in which both wheels are installed and the source tree is not visible."""

    folder: Path

    def __call__(self, *command: str, cwd: Path) -> str:
        """Run a command of this environment, which must succeed; return its output on both streams."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SOFTAL_DATA")},
            "PATH": path,
            "PIP_NO_BUILD_ISOLATION": "0",  # tells pip to build with the tools of this environment
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        ended = subprocess.run(
            command, cwd=cwd, env=environment, text=True, timeout=SECONDS, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert ended.returncode == 0, f"{' '.join(command)}:\n{ended.stdout}"
        return ended.stdout

    def python(self, code: str, cwd: Path) -> str:
        return self(str(self.folder / "bin" / "python"), "-c", code, cwd=cwd).strip()


def wheel_of(project: Path, into: Path) -> Path:
    """Build the wheel of a project from a copy, so that nothing is written next to its sources."""
    copy = into / "sources" / project.name
    ignored = shutil.ignore_patterns(".*", "runs", "*.egg-info", "build", "leaderboard", "__pycache__")
    shutil.copytree(project, copy, ignore=ignored, symlinks=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(into),
        str(copy),
    ]
    subprocess.run(command, check=True, timeout=SECONDS)
    (wheel,) = into.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build the wheels of the suite and of the example plugin."""
    return [wheel_of(project, tmp_path_factory.mktemp("wheel")) for project in (REPOSITORY, EXAMPLE)]


@pytest.fixture(scope="session")
def installed(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install both wheels in a new environment without their dependencies, which come from the current one."""
    folder = tmp_path_factory.mktemp("environment") / "layer"
    python = make_layer(folder)
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-installed", *map(str, wheels)]
    subprocess.run(command, check=True, timeout=SECONDS, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    for tool in ("pip", "pytest"):  # scripts of this environment; the packages are installed in the one below
        script = folder / "bin" / tool
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {tool} "$@"\n')
        script.chmod(0o755)
    return Installed(folder)
