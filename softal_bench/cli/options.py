"""The options that several commands share, in the groups that their help shows."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from softal_bench.errors import printable

Callback = Callable[..., Any]

SELECTION = "Selection"
EXECUTION = "Execution"
FILES = "Input and output"
GROUPS = (SELECTION, EXECUTION, FILES)

_FOLDER = click.Path(path_type=Path)
_given: dict[str, str] = {}  # absolute folder -> the folder as the user wrote it, for messages


class GroupedOption(click.Option):
    """An option that is listed under the title of its group."""

    def __init__(self, *declarations: Any, group: str, **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.group = group


def option(group: str, *declarations: str, **attributes: Any) -> Callable[[Callback], Callback]:
    """Add an option to a group; the other arguments are those of `click.option`."""
    return click.option(*declarations, cls=GroupedOption, group=group, **attributes)


@dataclass(frozen=True)
class SuiteRequest:
    """A suite as requested on the command line, and the folders of its journals and pages.

    Attributes:
        path: its file, or the name of a suite that comes with the package.
        settings: the arguments of `--set`.
        only: the arguments of `--only`.
        trials: overrides the suite's number of trials.
        runs, pages: absolute paths.
    """

    path: Path
    settings: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    trials: int | None = None
    runs: Path = Path("runs")
    pages: Path = Path("leaderboard")


def suite_options(callback: Callback) -> Callback:
    """Add SUITE, a file or the name of a shipped suite, and its options; the callback gets them as a SuiteRequest."""

    @click.argument("path", metavar="SUITE", type=_FOLDER)
    @option(
        SELECTION,
        "--trials",
        type=click.IntRange(min=1),
        metavar="N",
        help="Override the suite's number of trials for each condition.",
    )
    @option(
        SELECTION,
        "--only",
        multiple=True,
        metavar="KEY=VALUE",
        help="Keep only the conditions that match. May be repeated: values of one key are alternatives, and a "
        "condition has to match every key.",
    )
    @option(
        SELECTION,
        "--set",
        "settings",
        multiple=True,
        metavar="PATH=VALUE",
        help="Override a key of the suite file. May be repeated.",
    )
    @option(FILES, "--runs", type=_FOLDER, default="runs", show_default=True, help="Folder of journals.")
    @option(
        FILES,
        "--leaderboard",
        "pages",
        type=_FOLDER,
        default="leaderboard",
        show_default=True,
        help="Folder of pages and of published records.",
    )
    @functools.wraps(callback)
    def gathered(**options: Any) -> Any:
        for folder in ("runs", "pages"):  # absolute, in case a plugin changes the working folder
            options[folder] = _resolved(options[folder])
        request = {name: options.pop(name) for name in SuiteRequest.__dataclass_fields__}
        return callback(SuiteRequest(**request), **options)

    return gathered


@dataclass(frozen=True)
class ExecutorRequest:
    """Where to compute trials, as requested on the command line."""

    executor: str = "inline"
    jobs: int | None = None
    devices: str | None = None
    ray_address: str | None = None


def executor_options(callback: Callback) -> Callback:
    """Add `--executor`, `--jobs`, `--devices` and `--ray-address`; the callback gets them as an ExecutorRequest."""

    @option(
        EXECUTION,
        "--executor",
        type=click.Choice(["inline", "processes", "ray"]),
        default="inline",
        show_default=True,
        help="Run trials one after another, in several processes, or on a Ray cluster.",
    )
    @option(
        EXECUTION,
        "--jobs",
        type=click.IntRange(1, 4096),
        metavar="N",
        help="Number of trials to run at a time, with --executor processes or ray.",
    )
    @option(
        EXECUTION,
        "--devices",
        metavar="cuda:0,cuda:1|cpu",
        help="Devices that the processes use in turn, with --executor processes.",
    )
    @option(
        EXECUTION,
        "--ray-address",
        metavar="auto|HOST:PORT",
        help="Address of the Ray cluster, with --executor ray.",
    )
    @functools.wraps(callback)
    def gathered(*arguments: Any, **options: Any) -> Any:
        request = {name: options.pop(name) for name in ExecutorRequest.__dataclass_fields__}
        return callback(*arguments, **options, executor=ExecutorRequest(**request))

    return gathered


@dataclass(frozen=True)
class AgainRequest:
    """Which trials to compute again, as requested on the command line."""

    retry: tuple[str, ...] = ()
    fresh: bool = False


def again_options(callback: Callback) -> Callback:
    """Add `--retry` and `--fresh`; the callback gets them as an AgainRequest."""

    @option(
        SELECTION,
        "--retry",
        multiple=True,
        type=click.Choice(["failed", "timeout", "out_of_memory"]),
        help="Run only the trials that ended with this status, and continue them after their last round. May be "
        "repeated.",
    )
    @option(
        SELECTION,
        "--fresh",
        is_flag=True,
        help="Recompute every trial of SUITE, including finished and published trials. Old journals are kept. After an "
        "interruption, run without --fresh to continue.",
    )
    @functools.wraps(callback)
    def gathered(*arguments: Any, **options: Any) -> Any:
        request = {name: options.pop(name) for name in AgainRequest.__dataclass_fields__}
        return callback(*arguments, **options, again=AgainRequest(**request))

    return gathered


data_dir_option = option(
    FILES,
    "--data-dir",
    type=_FOLDER,
    default=None,
    help="Folder of data sets.  [default: $SOFTAL_DATA, or a folder in the user's cache]",
)


def data_root(given: Path | None) -> Path:
    """Return the folder of data sets as an absolute path: as given, $SOFTAL_DATA, or a folder in the user's cache."""
    if given is not None:
        return _resolved(given)
    if os.environ.get("SOFTAL_DATA"):
        return _resolved(Path(os.environ["SOFTAL_DATA"]))
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache").absolute() / "softal-bench"


def say(text: object, *, err: bool = False) -> None:
    """Print a line without characters that steer the terminal, which an error in a journal may contain."""
    click.echo(printable(str(text)), err=err)


def with_short_paths(text: object) -> str:
    """Return a message in which the folders of this command are written as the user wrote them."""
    shown = str(text)
    for absolute, given in _given.items():
        shown = shown.replace(absolute, given)
    return shown


def _resolved(folder: Path) -> Path:
    absolute = folder.absolute()
    if absolute != folder:
        _given[str(absolute)] = str(folder)
    return absolute
