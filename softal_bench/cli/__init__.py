"""The command line. Commands import what is heavy when they run, so that `--help` stays light; nothing else prints."""

import click

from softal_bench import __version__
from softal_bench.cli.check import check
from softal_bench.cli.export import export
from softal_bench.cli.info import info
from softal_bench.cli.leaderboard import leaderboard
from softal_bench.cli.list import list_
from softal_bench.cli.merge import merge
from softal_bench.cli.new import new
from softal_bench.cli.run import run
from softal_bench.cli.status import status
from softal_bench.cli.verify import verify
from softal_bench.machine.spinning import bound_spinning


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="softal-bench")
def main() -> None:
    """Benchmark batch active learning: what an acquisition function buys in labels and costs in seconds."""
    bound_spinning()  # before a command imports torch


for command in (run, status, leaderboard, export, merge, verify, check, list_, info, new):
    main.add_command(command)

__all__ = ["main"]
