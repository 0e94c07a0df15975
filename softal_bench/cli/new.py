"""`softal-bench new`."""

import shlex
from pathlib import Path

import click

from softal_bench.cli.failures import told

KINDS = ("acquisition", "model", "dataset")


@click.command(short_help="Write a small distribution with a plugin to start from.")
@click.argument("kind", type=click.Choice(KINDS), metavar="acquisition|model|dataset")
@click.argument("name")
@click.option(
    "--into", type=click.Path(path_type=Path), default=".", show_default=True, help="Folder that its folder goes into."
)
@told
def new(kind: str, name: str, into: Path) -> int:
    """Write a complete distribution with a plugin called NAME: a class that works, its tests, a benchmark, a suite.

    It installs and passes its tests as it is written; replace its formula by yours. NAME is what suites call it.
    """
    from softal_bench.templates import KINDS as TEMPLATES
    from softal_bench.templates import write_distribution

    folder, *files = write_distribution(TEMPLATES[kind], name, into)
    for path in files:
        click.echo(path)
    click.echo(
        f"next: cd {shlex.quote(str(folder))} && pip install -e '.[test]' && softal-bench check {name} && pytest"
    )
    click.echo(f"then: softal-bench run suites/try_{name}.yaml")
    return 0
