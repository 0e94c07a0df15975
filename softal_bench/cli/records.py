"""The commands that read and write journals: `leaderboard`, `status`, `export`, `merge` and `verify`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from softal_bench.cli.command import command
from softal_bench.cli.options import (
    EXECUTION,
    FILES,
    SELECTION,
    SuiteRequest,
    data_dir_option,
    data_root,
    option,
    say,
    suite_options,
)

if TYPE_CHECKING:
    from softal_bench.records.status import JobStatus
    from softal_bench.records.verify import Submitted

_FOLDER = click.Path(path_type=Path)


@command(short_help="Write the page of a suite from its journals.")
@suite_options
@option(FILES, "--quiet", is_flag=True, help="Show only the path of the page.")
def leaderboard(request: SuiteRequest, quiet: bool) -> int:
    """Write the page of SUITE from the journals in the runs folder and in LEADERBOARD/records, without running it."""
    from softal_bench.cli.kinds import of_request
    from softal_bench.cli.results import show_page

    show_page(of_request(request).write_page(request.runs, request.pages), "", quiet)
    return 0


@command(short_help="Show the status of the trials of a suite.")
@suite_options
@option(FILES, "--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(request: SuiteRequest, as_json: bool) -> int:
    """Show which trials of SUITE are done, running, stale, failed (with the error) or not run.

    The journals are read from the runs folder and from LEADERBOARD/records. A trial is running if a runner on this
    machine has locked its journal. It is stale if it is finished, but one of its plugins has changed since; this
    command marks its journal as stale, and writes nothing else. In a cost suite, a cell is "on another device" if its
    published record was measured on another processor or GPU, so that `run` would measure it here.
    """
    import json

    from softal_bench.cli.freshness import compare_with_installed, mark_elsewhere, warn_of_stale
    from softal_bench.cli.kinds import of_request
    from softal_bench.cli.results import show_problems
    from softal_bench.records.status import counts, failed, stale

    kind = of_request(request)
    differing = compare_with_installed(request, kind, write=True)
    statuses, problems = kind.statuses(request.runs, request.pages)
    found = mark_elsewhere(request, kind, statuses)
    by_method: dict[str, list[JobStatus]] = {}
    for one in found:
        by_method.setdefault(one.condition.acquisition.label, []).append(one)
    if as_json:
        summary = {
            "suite": kind.suite.name,
            "total": len(found),
            "counts": counts(found),
            "acquisitions": {label: counts(of) for label, of in by_method.items()},
            "failed": [one.as_json() for one in failed(found)],
            "stale": [one.as_json() for one in stale(found)],
            "not_readable": [{"path": str(problem.path), "error": problem.message} for problem in problems],
        }
        say(json.dumps(summary))
        return 0
    _show_status(kind.suite.name, found, by_method)
    warn_of_stale(kind, found, differing)
    show_problems(problems)
    return 0


def _show_status(name: str, found: "list[JobStatus]", by_method: "dict[str, list[JobStatus]]") -> None:
    from softal_bench.cli.results import show_table
    from softal_bench.records.status import counts, failed

    total = counts(found)
    rows = [
        [label, str(len(of)), *(str(counts(of).get(status, 0)) for status in total)] for label, of in by_method.items()
    ]
    show_table(name, ["acquisition function", "all", *(status.words for status in total)], rows)
    failures = [
        [
            one.condition.acquisition.label,
            one.name,
            one.status.words,
            one.key,
            one.error if len(one.error) <= 200 else f"{one.error[:199]}…",
        ]
        for one in failed(found)
    ]
    if failures:
        show_table("failures", ["acquisition function", "which", "status", "key", "error"], failures)
    say(", ".join(f"{count} {status.words}" for status, count in total.items()) + f", of {len(found)}")


@command(short_help="Export the journals of a suite as a table.")
@suite_options
@option(
    FILES,
    "--format",
    "form",
    type=click.Choice(["csv", "parquet", "json"]),
    required=True,
    help="Format of the table.",
)
@option(
    FILES,
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Write the table to FILE instead of the terminal.",
)
def export(request: SuiteRequest, form: str, output: Path | None) -> int:
    """Export the rounds of SUITE as a table.

    The table has a row for each round, with condition, trial, labels, accuracy, seconds and memory; for a cost suite,
    it has a row for each sample. The journals are read from the runs folder and from LEADERBOARD/records.
    """
    from softal_bench.cli.kinds import of_request
    from softal_bench.cli.results import show_problems
    from softal_bench.errors import SuiteError
    from softal_bench.machine.files import write_output
    from softal_bench.records.export import to_csv, to_json, to_parquet

    if form == "parquet" and output is None:
        raise SuiteError("--format parquet is a binary format; name a file with --output FILE")
    table, problems = of_request(request).table(request.runs, request.pages)
    show_problems(problems)
    data = {"csv": to_csv, "json": to_json, "parquet": to_parquet}[form](table)
    if output is None:
        click.echo(data, nl=False)
    else:
        write_output(output, data, what_to_do="choose another file with --output")
        say(f"{len(table)} rows: {output}")
    return 0


@command(short_help="Merge the journals of several machines into one folder.")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=_FOLDER)
@option(FILES, "--into", required=True, type=_FOLDER, metavar="DIR", help="Folder of journals to merge them into.")
def merge(folders: tuple[Path, ...], into: Path) -> int:
    """Merge the journals of each DIR, such as the `runs` folder of another machine, into one folder.

    If several journals of a trial have the same rounds, one of them is kept; if one continues another, the longer one
    is kept. If journals of a trial differ in any other way, all of them are reported, nothing is written, and the exit
    code is 1.
    """
    from softal_bench.records.merge import carry_out, plan_merge

    planned = plan_merge(folders, into)
    for conflict in planned.conflicts:
        say(conflict, err=True)
    written = carry_out(planned)
    say(f"{into}: {len(planned.taken)} journals, {written} of them written by this merge")
    return 0


@command(short_help="Check the journals in a folder and rerun some of their rounds.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@option(
    SELECTION,
    "--sample",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="Number of rounds to rerun.",
)
@option(
    EXECUTION,
    "--device",
    metavar="auto|cpu|cuda[:i]",
    help="Device to rerun them on.  [default: the device of each journal]",
)
@data_dir_option
def verify(folder: Path, sample: int, data_dir: Path | None, device: str | None) -> int:
    """Check every journal in DIR, and rerun N of their rounds.

    The schema, key, labels and indices of each journal are checked. A rerun compares the acquired indices and the
    accuracy. The choice of rounds depends only on the journals. Numbers are comparable only on the same kind of device:
    on another one, a rerun checks only that the journal is plausible, and says so. A round whose journal names a path,
    such as the file of `arrays`, is rerun only if the path is in the folder given with --data-dir.

    Exit code 0: all journals are valid and the reruns agree; 1: something differs or is not rerun, and the output says
    what.
    """
    from softal_bench.records.lookup import journals_in

    paths = journals_in(folder)
    valid = _valid(paths)
    same = _rerun(valid, sample, data_dir, device)
    return 0 if same and len(valid) == len(paths) else 1


def _valid(paths: list[Path]) -> "list[Submitted]":
    """Report the journals that are invalid and return the others."""
    from softal_bench.errors import JournalError
    from softal_bench.records.verify import examine

    valid = []
    for path in paths:
        try:
            valid.append(examine(path))
        except JournalError as error:
            say(f"not valid: {error}")
    cells = sum(not one.rounds for one in valid)
    without = f", {cells} of them without rounds to rerun" if cells else ""
    stale = sum(one.record.stale is not None for one in valid)
    old = f", {stale} of them stale: a plugin changed after they were computed" if stale else ""
    say(f"{len(valid)} of {len(paths)} journals are valid{without}{old}")
    return valid


def _rerun(valid: "list[Submitted]", count: int, data_dir: Path | None, device: str | None) -> bool:
    """Rerun some rounds; return whether all of them give the same results."""
    from softal_bench.errors import DeviceError, JournalError
    from softal_bench.machine.device import resolve_device
    from softal_bench.records.verify import NotRerun, compare, kind_of_device, run_again, sample, unlike_here
    from softal_bench.suite import Condition

    drawn = sample(valid, count)
    same = 0
    for one, number in drawn:
        assert isinstance(one.condition, Condition)  # cells have no rounds
        try:
            chosen = resolve_device(device or kind_of_device(one.record, number))
            line = run_again(one.record, one.condition, number, data_root(data_dir), chosen, trusted=data_dir)
        except NotRerun as error:
            say(f"not rerun: {error}")
            continue
        except JournalError as error:
            say(f"differs: {error}")
            continue
        except DeviceError as error:
            say(f"not rerun: {one.record.path}: {error}; on another device only plausibility can be checked")
            continue
        comparison = compare(one, number, line, unlike_here(one.record, one.condition, number, chosen))
        same += comparison.same
        say(f"{one.record.path}: {one.name}, round {number}: {comparison.text}")
    say(f"{same} of {len(drawn)} rounds have the same results")
    return same == len(drawn)
