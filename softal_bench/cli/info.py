"""`softal-bench info`."""

import click

from softal_bench.cli.failures import told


@click.command(short_help="Show what a plugin is and takes.")
@click.argument("name")
@told
def info(name: str) -> int:
    """Show a plugin's parameters with types and defaults, its description, citation, cost and origin."""
    from softal_bench.registry import registries_with

    for registry in registries_with(name):
        listing = registry.listing(name)
        click.echo(f"{name}: {registry.noun}, from {listing.distribution} {listing.version}")
        if listing.error:
            click.echo(f"  broken: {listing.error}")
        else:
            _describe(registry.load(name))
    return 0


def _describe(plugin_class: type) -> None:
    import inspect
    import textwrap

    from softal_bench.registry import parameters_of

    click.echo(textwrap.indent(inspect.getdoc(plugin_class) or "(no description)", "  "))
    parameters = parameters_of(plugin_class)
    click.echo("\n  parameters:" if parameters else "\n  parameters: none")
    for row in parameters:
        default = "required" if row["required"] else f"default {row['default']}"
        click.echo(f"    {row['name']}: {row['type']} ({default})")
    needs = getattr(plugin_class, "needs", None)
    facts = {"needs": ", ".join(sorted(needs)) if isinstance(needs, frozenset) else ""}
    facts |= {name: getattr(plugin_class, name, "") for name in ("cost", "citation")}
    for name, value in facts.items():
        if value:
            click.echo(f"  {name}: {value}")
