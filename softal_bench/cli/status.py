"""`softal-bench status`."""

from typing import TYPE_CHECKING

import click

from softal_bench.cli.failures import told
from softal_bench.cli.options import SuiteRequest, suite_options

if TYPE_CHECKING:
    from softal_bench.records.status import Standing


@click.command(short_help="Tell how the trials of a suite stand.")
@suite_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@told
def status(request: SuiteRequest, as_json: bool) -> int:
    """Show which trials of SUITE are done, running, stale, failed (with the error) or not run.

    Taken from the journals in the runs folder and in LEADERBOARD/records. Running: a runner on this machine has it.
    Stale: finished, but a plugin has changed since; a line in its journal says so, and nothing else is written. On
    another device: a cell that was published from another processor or GPU, which `run` would measure here.
    """
    import json

    from softal_bench.cli.current import compared, warn_of_stale, with_elsewhere
    from softal_bench.cli.kinds import of_request
    from softal_bench.records.status import counts, failed, stale, standings

    kind = of_request(request)
    suite = kind.suite
    differing = compared(request, kind, write=True)
    found, problems = standings(suite, request.runs, request.pages)
    found = with_elsewhere(request, kind, found)
    if as_json:
        methods = {label: counts(of) for label, of in _by_method(found).items()}
        unreadable = [{"path": str(problem.path), "error": problem.message} for problem in problems]
        summary = {"suite": suite.name, "total": len(found), "counts": counts(found), "acquisitions": methods}
        click.echo(
            json.dumps(
                {
                    **summary,
                    "failed": [one.as_json() for one in failed(found)],
                    "stale": [one.as_json() for one in stale(found)],
                    "not_readable": unreadable,
                }
            )
        )
        return 0
    _show(suite.name, found)
    warn_of_stale(kind, found, differing)
    for problem in problems:
        click.echo(f"not readable: {problem.path}: {problem.message}", err=True)
    return 0


def _show(name: str, found: "list[Standing]") -> None:
    from softal_bench.cli.tables import show_table
    from softal_bench.records.status import counts, failed

    total = counts(found)
    rows = [
        [label, str(len(of)), *(str(counts(of).get(status, 0)) for status in total)]
        for label, of in _by_method(found).items()
    ]
    show_table(name, ["acquisition function", "all", *(status.words for status in total)], rows)
    ended = [
        [one.condition.acquisition.label, one.name, one.status.words, one.key, _short(one.error)]
        for one in failed(found)
    ]
    if ended:
        show_table("ended otherwise", ["acquisition function", "which", "how", "key", "why"], ended)
    click.echo(", ".join(f"{count} {status.words}" for status, count in total.items()) + f", of {len(found)}")


def _by_method(found: "list[Standing]") -> "dict[str, list[Standing]]":
    from softal_bench.report.stats.tables import by_method

    return by_method(found)


def _short(error: str, limit: int = 200) -> str:
    return error if len(error) <= limit else f"{error[: limit - 1]}…"
