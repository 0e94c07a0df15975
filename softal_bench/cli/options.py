"""Options that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def suite_options(command: Command) -> Command:
    """SUITE with `--set`, `--only`, `--trials`, `--runs` and `--leaderboard`."""
    for decorate in reversed(
        [
            click.argument("suite_path", metavar="SUITE", type=click.Path(path_type=Path)),
            click.option("--trials", type=click.IntRange(min=1), metavar="N", help="Trials of each condition, in place of the file's."),
            click.option("--only", multiple=True, metavar="KEY=VALUE", help="Keep matching conditions; a plugin by its name or label."),
            click.option(
                "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Set a key of the file, e.g. training.max_epochs=5."
            ),
            click.option(
                "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of journals."
            ),
            click.option(
                "--leaderboard",
                "pages",
                type=click.Path(path_type=Path),
                default=Path("leaderboard"),
                show_default=True,
                help="Folder of pages, figures and published records.",
            ),
        ]
    ):
        command = decorate(command)
    return command


data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of data sets; $SOFTAL_DATA, else a folder under the user's cache.",
)


def data_root(given: Path | None) -> Path:
    """The folder of data: as given, else $SOFTAL_DATA, else under the user's cache."""
    if given is not None:
        return given
    if os.environ.get("SOFTAL_DATA"):
        return Path(os.environ["SOFTAL_DATA"])
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "softal-bench"
