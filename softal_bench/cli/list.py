"""`softal-bench list`."""

import click

from softal_bench.cli.failures import told

KINDS = ("acquisitions", "models", "datasets")


@click.command("list", short_help="List installed plugins.")
@click.argument("kind", required=False, type=click.Choice(KINDS), metavar="[acquisitions|models|datasets]")
@click.option("--json", "as_json", is_flag=True, help="One JSON list of objects.")
@told
def list_(kind: str | None, as_json: bool) -> int:
    """List installed plugins, with the distribution and version that each comes from; broken ones with why."""
    import dataclasses
    import json

    from softal_bench.cli.tables import show_table
    from softal_bench.registry import registries

    listings = [row for name in KINDS if kind in (None, name) for row in registries[name].listings()]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(listing) for listing in listings], indent=2))
        return 0
    rows = [
        [
            row.name,
            row.kind,
            f"{row.distribution} {row.version}",
            row.status if row.error is None else f"{row.status}: {row.error}",
        ]
        for row in listings
    ]
    show_table("", ["name", "kind", "from", "status"], rows)
    return 0
