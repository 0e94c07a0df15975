"""`softal-bench run`."""

from pathlib import Path

import click

from softal_bench.cli.failures import told
from softal_bench.cli.options import (
    AgainRequest,
    ExecutorRequest,
    SuiteRequest,
    again_options,
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
@again_options
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
    again: AgainRequest,
    dry_run: bool,
    quiet: bool,
) -> int:
    """Run every trial of SUITE that is not finished, then write its page.

    A trial is finished if it has a completed journal in the runs folder or a published record in LEADERBOARD/records.
    After an interruption, the same command continues where it stopped. A finished trial whose plugins have changed
    since is stale: it is reported, and recomputed with --fresh only.

    Exit code 0: all done; 1: some trials failed or are stale; 2: bad usage or suite; 130: interrupted; 143: terminated.
    """
    from softal_bench.cli.current import begin_afresh, look, restart_changed, say_what_is_published, warn_of_stale
    from softal_bench.cli.executors import crowding, device_here, executor_of
    from softal_bench.cli.kinds import of_request
    from softal_bench.cli.progress import make_observer
    from softal_bench.cli.results import show_plan, show_results
    from softal_bench.cli.retry import chosen_again, reopened
    from softal_bench.errors import SuiteError
    from softal_bench.journal.lines import Status

    retry, fresh = tuple(map(Status, again.retry)), again.fresh
    if fresh and retry:
        raise SuiteError("--fresh and --retry: choose one; --fresh computes all rounds again, --retry goes on")
    asked = of_request(request)
    crew = executor_of(executor, asked.suite, device or asked.suite.device)
    name = f"{asked.suite.name} on {crew.place}"
    root = data_root(data_dir)
    found = look(request, asked, device_here(crew), write=not (dry_run or fresh))
    kind = asked if fresh else found.kind
    failed = chosen_again(kind.jobs(request.runs), retry) if retry else []
    if not fresh:
        warn_of_stale(kind, found.recorded, found.survey)
    if dry_run:
        notes = kind.preflight(root, fetch=False)
        show_plan(name, kind, notes, lambda: kind.outlook(request.runs, root, crew, fresh))
        if not fresh:
            say_what_is_published(request, found)
        for job in failed:
            click.echo(f"would be tried again: {job.name}")
        return 0
    if not quiet:
        click.echo(name)
    if crowded := crowding(crew, kind.suite):
        click.echo(crowded, err=True)
    if not (quiet or fresh or retry):
        say_what_is_published(request, found)
    if fresh or retry or not found.nothing_left:
        kind.preflight(root, fetch=True)
    if fresh:
        begin_afresh(kind, request.runs)
    running = kind
    if retry:
        keys = reopened(failed, retry)
        running = kind.only(keys).counting({key: one for key, one in kind.published.items() if key not in keys})
    restart_changed(running.jobs(request.runs), found.survey)
    with make_observer(running.jobs(request.runs), quiet) as observer:
        statuses = running.run(request.runs, root, observer, crew)
    show_results(kind.suite, request.runs, request.pages, statuses, quiet)
    return 0 if kind.all_well(statuses) else 1
