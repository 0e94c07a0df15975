"""The command line. Commands import heavy modules when they run, so that `--help` is fast; no other package prints."""

import click

from softal_bench import __version__
from softal_bench.cli.command import Main
from softal_bench.cli.plugins import check, info, list_, new
from softal_bench.cli.records import export, leaderboard, merge, status, verify
from softal_bench.cli.run import run
from softal_bench.machine.spinning import bound_spinning


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="softal-bench")
def main() -> None:
    """Benchmark batch active learning: how many labels an acquisition function saves, and how long it takes."""
    bound_spinning()  # has to be called before a command imports torch


for each in (run, status, leaderboard, export, merge, verify, check, list_, info, new):
    main.add_command(each)

__all__ = ["main"]
