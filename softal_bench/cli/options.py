"""Options that several commands share."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

_FOLDER = click.Path(path_type=Path)
_given: dict[str, str] = {}  # absolute folder -> as it was given, for messages


@dataclass(frozen=True)
class SuiteRequest:
    """A suite as asked for on the command line, and the folders of its journals and pages.

    Attributes:
        path: its file, or the name of one that comes with the package.
        runs, pages: absolute.
    """

    path: Path
    settings: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    trials: int | None = None
    runs: Path = Path("runs")
    pages: Path = Path("leaderboard")


def suite_options(command: Command) -> Command:
    """SUITE, a file or a shipped suite's name, with the options below, handed on as one SuiteRequest."""

    @click.argument("path", metavar="SUITE", type=_FOLDER)
    @click.option("--trials", type=click.IntRange(min=1), metavar="N", help="Trials of each condition.")
    @click.option("--only", multiple=True, metavar="KEY=VALUE", help="Keep matching conditions.")
    @click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Set a key of the suite file.")
    @click.option("--runs", type=_FOLDER, default="runs", show_default=True, help="Folder of journals.")
    @click.option(
        "--leaderboard", "pages", type=_FOLDER, default="leaderboard", show_default=True, help="Folder of pages."
    )
    @functools.wraps(command)
    def gathered(**options: Any) -> Any:
        for folder in ("runs", "pages"):  # a plugin that changes the working folder cannot divert them
            options[folder] = _resolved(options[folder])
        request = {name: options.pop(name) for name in SuiteRequest.__dataclass_fields__}
        return command(SuiteRequest(**request), **options)

    return gathered


@dataclass(frozen=True)
class ExecutorRequest:
    """Where trials are to be computed, as asked for on the command line."""

    executor: str = "inline"
    jobs: int | None = None
    devices: str | None = None
    ray_address: str | None = None


def executor_options(command: Command) -> Command:
    """`--executor`, `--jobs`, `--devices` and `--ray-address`, handed on as one ExecutorRequest."""

    @click.option(
        "--executor",
        type=click.Choice(["inline", "processes", "ray"]),
        default="inline",
        show_default=True,
        help="One trial after another, several processes, or a Ray cluster.",
    )
    @click.option("--jobs", type=click.IntRange(1, 4096), metavar="N", help="Trials at a time.")
    @click.option("--devices", metavar="cuda:0,cuda:1|cpu", help="Of the processes, in turn.")
    @click.option("--ray-address", metavar="auto|HOST:PORT", help="Of the Ray cluster.")
    @functools.wraps(command)
    def gathered(*arguments: Any, **options: Any) -> Any:
        request = {name: options.pop(name) for name in ExecutorRequest.__dataclass_fields__}
        return command(*arguments, **options, executor=ExecutorRequest(**request))

    return gathered


@dataclass(frozen=True)
class AgainRequest:
    """What is to be computed again, as asked for on the command line."""

    retry: tuple[str, ...] = ()
    fresh: bool = False


def again_options(command: Command) -> Command:
    """`--retry` and `--fresh`, handed on as one AgainRequest."""

    @click.option(
        "--retry",
        multiple=True,
        type=click.Choice(["failed", "timeout", "out_of_memory"]),
        help="Run only trials that ended so, on from their last round; may be repeated.",
    )
    @click.option(
        "--fresh",
        is_flag=True,
        help="Recompute every trial of SUITE, including finished and published ones. Old journals are kept. After an "
        "interruption, run without --fresh to continue.",
    )
    @functools.wraps(command)
    def gathered(*arguments: Any, **options: Any) -> Any:
        request = {name: options.pop(name) for name in AgainRequest.__dataclass_fields__}
        return command(*arguments, **options, again=AgainRequest(**request))

    return gathered


data_dir_option = click.option(
    "--data-dir",
    type=_FOLDER,
    default=None,
    help="Folder of data sets; else $SOFTAL_DATA, else a folder under the user's cache.",
)


def data_root(given: Path | None) -> Path:
    """The folder of data, absolute: as given, else $SOFTAL_DATA, else under the user's cache."""
    if given is not None:
        return _resolved(given)
    if os.environ.get("SOFTAL_DATA"):
        return _resolved(Path(os.environ["SOFTAL_DATA"]))
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache").absolute() / "softal-bench"


def with_short_paths(text: object) -> str:
    """A text for people, in which the folders of this command are written as they were given."""
    shown = str(text)
    for absolute, given in _given.items():
        shown = shown.replace(absolute, given)
    return shown


def _resolved(folder: Path) -> Path:
    absolute = folder.absolute()
    if absolute != folder:
        _given[str(absolute)] = str(folder)
    return absolute
