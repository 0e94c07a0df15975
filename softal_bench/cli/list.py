"""`softal-bench list`."""

from collections.abc import Iterator

import click

from softal_bench.cli.failures import told

KINDS = ("acquisitions", "models", "datasets")
SUITES = "suites"


@click.command("list", short_help="List installed plugins, or the suites that come with the package.")
@click.argument(
    "kind", required=False, type=click.Choice([*KINDS, SUITES]), metavar="[acquisitions|models|datasets|suites]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list of objects.")
@told
def list_(kind: str | None, as_json: bool) -> int:
    """List installed plugins, with the distribution and version that each comes from; broken ones with why.

    With `suites`, the suites that come with the package; `softal-bench run` takes their names.
    """
    import json

    from softal_bench.cli.tables import show_table

    columns, objects = _suites() if kind == SUITES else _plugins(kind)
    if as_json:
        click.echo(json.dumps([row for row, _ in objects], indent=2))
        return 0
    show_table("", columns, [cells for _, cells in objects])
    if kind is None:
        click.echo("suites: softal-bench list suites")
    return 0


Rows = tuple[list[str], list[tuple[dict[str, object], list[str]]]]


def _plugins(kind: str | None) -> Rows:
    """The columns of the table; of each plugin the object and the row."""
    import dataclasses

    from softal_bench.registry import registries

    listings = [row for name in KINDS if kind in (None, name) for row in registries[name].listings()]
    rows = [
        [
            row.name,
            row.kind,
            f"{row.distribution} {row.version}",
            row.status if row.error is None else f"{row.status}: {row.error}",
        ]
        for row in listings
    ]
    objects = [dataclasses.asdict(listing) for listing in listings]
    return ["name", "kind", "from", "status"], list(zip(objects, rows, strict=True))


def _suites() -> Rows:
    objects = list(_shipped())
    rows = [[*map(str, list(row.values())[:3]), str(row["error"] or row["title"])] for row in objects]
    return ["name", "kind", "conditions", "title"], list(zip(objects, rows, strict=True))


def _shipped() -> Iterator[dict[str, object]]:
    """Each suite with its conditions counted, or with why it cannot be used: it may need plugins that are not here."""
    from pathlib import Path

    from softal_bench.cli.kinds import of_request
    from softal_bench.cli.options import SuiteRequest
    from softal_bench.errors import SoftalError, first_line
    from softal_bench.suite import shipped_suites

    for name in shipped_suites():
        try:
            kind = of_request(SuiteRequest(Path(name)))
            count, title = len(kind.suite.conditions), kind.suite.title or name
            yield {"name": name, "kind": kind.noun, "conditions": count, "title": title, "status": "ok", "error": None}
        except SoftalError as error:
            nothing = {"kind": None, "conditions": None, "title": None}
            yield {"name": name, **nothing, "status": "broken", "error": f"cannot be used here: {first_line(error)}"}
