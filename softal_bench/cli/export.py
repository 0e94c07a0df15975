"""`softal-bench export`."""

from pathlib import Path

import click

from softal_bench.cli.failures import told
from softal_bench.cli.options import SuiteRequest, suite_options, with_short_paths


@click.command(short_help="Write what the journals of a suite say as a table.")
@suite_options
@click.option("--format", "form", type=click.Choice(["csv", "parquet", "json"]), required=True, help="Of the table.")
@click.option("--output", type=click.Path(path_type=Path), default=None, metavar="FILE", help="In place of the screen.")
@told
def export(request: SuiteRequest, form: str, output: Path | None) -> int:
    """Write the rounds of SUITE as one table, a row a round: condition, trial, labels, accuracy, seconds, memory.

    Of a cost suite, a row a sample. Taken from the journals in the runs folder and in LEADERBOARD/records.
    """
    from softal_bench.cli.kinds import of_request
    from softal_bench.errors import SuiteError
    from softal_bench.machine.files import write_atomically
    from softal_bench.records.cells import collect_cells
    from softal_bench.records.export import rounds_table, samples_table, to_csv, to_json, to_parquet
    from softal_bench.records.trials import collect
    from softal_bench.suite import CostSuite

    if form == "parquet" and output is None:
        raise SuiteError("--format parquet is no text for the screen; name a file with --output FILE")
    suite = of_request(request).suite
    if isinstance(suite, CostSuite):
        cells = collect_cells(suite, request.runs, request.pages)
        table, problems = samples_table(cells), cells.problems
    else:
        results = collect(suite, request.runs, request.pages)
        table, problems = rounds_table(results), results.problems
    for problem in problems:
        click.echo(f"not readable: {with_short_paths(problem.path)}: {problem.message}", err=True)
    data = {"csv": to_csv, "json": to_json, "parquet": to_parquet}[form](table)
    if output is None:
        click.echo(data, nl=False)
    else:
        write_atomically(output, data, what_to_do="choose another file with --output")
        click.echo(f"{len(table)} rows: {output}")
    return 0
