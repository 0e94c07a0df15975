"""`softal-bench merge`."""

from pathlib import Path

import click

from softal_bench.cli.failures import told

_FOLDER = click.Path(path_type=Path)


@click.command(short_help="Put journals of several machines into one folder.")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=_FOLDER)
@click.option("--into", required=True, type=_FOLDER, metavar="DIR", help="Folder of journals to add them to.")
@told
def merge(folders: tuple[Path, ...], into: Path) -> int:
    """Put the journals of each DIR, such as another machine's `runs`, into one such folder.

    Of journals of one trial with the same rounds one is kept, of an unfinished one and a longer one the longer. Where
    they differ otherwise, all of them are named, nothing is written, and the exit code is 1.
    """
    from softal_bench.records.merge import carry_out, plan_merge

    planned = plan_merge(folders, into)
    for conflict in planned.conflicts:
        click.echo(conflict, err=True)
    carry_out(planned)
    changes = planned.changes
    click.echo(f"{into}: {len(planned.taken)} journals, {len(changes)} of them written by this merge")
    return 0
