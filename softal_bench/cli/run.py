"""`softal-bench run`."""

from pathlib import Path

from softal_bench.cli.command import command
from softal_bench.cli.options import (
    EXECUTION,
    FILES,
    AgainRequest,
    ExecutorRequest,
    SuiteRequest,
    again_options,
    data_dir_option,
    data_root,
    executor_options,
    option,
    say,
    suite_options,
)


@command(short_help="Run a suite and write its leaderboard page.")
@suite_options
@again_options
@option(EXECUTION, "--device", default=None, metavar="auto|cpu|cuda[:i]", help="Override the suite's device.")
@executor_options
@option(
    EXECUTION,
    "--dry-run",
    is_flag=True,
    help="Run nothing; show the conditions, the number of trainings, and the time and memory that they need.",
)
@data_dir_option
@option(FILES, "--quiet", is_flag=True, help="Show only warnings, failures and the path of the page.")
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
    After an interruption, run the same command again to continue. A finished trial is stale if one of its plugins has
    changed since; stale trials are reported, and only recomputed with --fresh.

    Exit code 0: all done; 1: some trials failed or are stale; 2: bad usage or suite; 130: interrupted; 143: terminated.
    """
    from softal_bench.cli.freshness import (
        find_results,
        jobs_to_retry,
        reopen_jobs,
        report_published,
        restart_changed,
        set_all_aside,
        warn_of_stale,
    )
    from softal_bench.cli.kinds import of_request
    from softal_bench.cli.plan import crowding, device_here, executor_of
    from softal_bench.cli.progress import make_observer
    from softal_bench.cli.results import show_page, show_plan
    from softal_bench.errors import SuiteError
    from softal_bench.journal.lines import Status

    retry, fresh = tuple(map(Status, again.retry)), again.fresh
    if fresh and retry:
        raise SuiteError("--fresh and --retry: use one of them; --fresh recomputes all rounds, --retry continues")
    requested = of_request(request)
    crew = executor_of(executor, requested, device or requested.suite.device)
    name = f"{requested.suite.name} on {crew.place}"
    root = data_root(data_dir)
    found = find_results(request, requested, device_here(crew), write=not (dry_run or fresh))
    kind = requested if fresh else found.kind
    failed = jobs_to_retry(kind.jobs(request.runs), retry) if retry else []
    if not fresh:
        warn_of_stale(kind, found.recorded, found.survey)
    if dry_run:
        preflight = kind.preflight(root, fetch=False)
        show_plan(name, kind, preflight, lambda: kind.outlook(request.runs, root, crew, fresh))
        if not fresh:
            report_published(request, found)
        for job in failed:
            say(f"would be retried: {job.name}")
        return 0
    if not quiet:
        say(name)
    if crowded := crowding(crew, kind.threads):
        say(crowded, err=True)
    if not (quiet or fresh or retry):
        report_published(request, found)
    if fresh or retry or not found.nothing_left:
        kind.preflight(root, fetch=True)
    if fresh:
        set_all_aside(kind, request.runs)
    running = kind
    if retry:
        keys = reopen_jobs(failed, retry)
        running = kind.only(keys).counting({key: one for key, one in kind.published.items() if key not in keys})
    restart_changed(running.jobs(request.runs), found.survey)
    with make_observer(running.jobs(request.runs), quiet) as observer:
        statuses = running.run(request.runs, root, observer, crew)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    page = kind.write_page(request.runs, request.pages)
    show_page(page, f"{kind.plural}: {counts}" if counts else "", quiet)
    unreadable = {problem.path for problem in page.problems} & {job.path for job in running.jobs(request.runs)}
    return 0 if kind.all_well(statuses) and not unreadable else 1
