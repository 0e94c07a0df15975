"""`softal-bench run`."""

from pathlib import Path

import click

from softal_bench.cli.failures import told
from softal_bench.cli.options import (
    ExecutorRequest,
    SuiteRequest,
    data_dir_option,
    data_root,
    executor_options,
    suite_options,
)


@click.command(short_help="Run a suite and write its leaderboard page.")
@suite_options
@executor_options
@data_dir_option
@click.option("--device", default=None, metavar="auto|cpu|cuda[:i]", help="In place of the suite's.")
@click.option(
    "--retry",
    multiple=True,
    type=click.Choice(["failed", "timeout", "out_of_memory"]),
    help="Run only trials that ended so, on from their last round; may be repeated.",
)
@click.option(
    "--dry-run", is_flag=True, help="Print the conditions, the number of trainings, and what time and memory they need."
)
@click.option("--quiet", is_flag=True, help="No progress; warnings, failures and the page's place only.")
@told
def run(
    request: SuiteRequest,
    executor: ExecutorRequest,
    data_dir: Path | None,
    device: str | None,
    retry: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
) -> int:
    """Run every trial of SUITE that is not finished, then write its page.

    Interrupted or killed, the same command goes on where it stopped. Exit code 0: all done; 1: some trials failed; 2:
    bad usage or suite; 130: interrupted; 143: terminated.
    """
    from softal_bench.cli.executors import crowding, executor_of
    from softal_bench.cli.kinds import of_request
    from softal_bench.cli.progress import make_observer
    from softal_bench.cli.results import show_plan, show_results
    from softal_bench.cli.retry import chosen_again, reopened

    kind = of_request(request)
    crew = executor_of(executor, kind.suite, device or kind.suite.device)
    name = f"{kind.suite.name} on {crew.place}"
    root = data_root(data_dir)
    again = chosen_again(kind.jobs(request.runs), retry) if retry else []
    if dry_run:
        notes = kind.preflight(root, fetch=False)
        show_plan(name, kind, notes, lambda: kind.outlook(request.runs, root, crew))
        for job in again:
            click.echo(f"would be tried again: {job.name}")
        return 0
    if not quiet:
        click.echo(name)
    if crowded := crowding(crew, kind.suite):
        click.echo(crowded, err=True)
    kind.preflight(root, fetch=True)
    running = kind.only(reopened(again, retry)) if retry else kind
    with make_observer(running.jobs(request.runs), quiet) as observer:
        statuses = running.run(request.runs, root, observer, crew)
    show_results(kind.suite, request.runs, request.pages, statuses, quiet)
    return 0 if kind.all_well(statuses) else 1
