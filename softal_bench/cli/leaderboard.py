"""`softal-bench leaderboard`."""

import click

from softal_bench.cli.failures import told
from softal_bench.cli.options import SuiteRequest, suite_options


@click.command(short_help="Write a suite's page from its journals.")
@suite_options
@click.option("--quiet", is_flag=True, help="The page's place only.")
@told
def leaderboard(request: SuiteRequest, quiet: bool) -> int:
    """Rebuild the page of SUITE from the journals in the runs folder and in LEADERBOARD/records, running nothing."""
    from softal_bench.cli.kinds import of_request
    from softal_bench.cli.results import show_results

    show_results(of_request(request).suite, request.runs, request.pages, {}, quiet)
    return 0
