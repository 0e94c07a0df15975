"""The commands about plugins and suites as installed: `list`, `info`, `check` and `new`."""

import inspect
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softal_bench.cli.command import command
from softal_bench.cli.options import EXECUTION, FILES, SuiteRequest, data_dir_option, data_root, option, say

if TYPE_CHECKING:
    import torch

    from softal_bench.registry import Registry

_PLUGINS = ("acquisitions", "models", "datasets")
_SUITES = "suites"
_FACTS = ("needs", "cost", "citation", "revision")
_TEMPLATES = ("acquisition", "model", "dataset")
_Row = tuple[dict[str, object], list[str]]  # an object for --json, and the same as a row of the table


@command("list", short_help="List installed plugins, or the suites that come with the package.")
@click.argument(
    "kind", required=False, type=click.Choice([*_PLUGINS, _SUITES]), metavar="[acquisitions|models|datasets|suites]"
)
@option(FILES, "--json", "as_json", is_flag=True, help="Print one JSON list of objects.")
def list_(kind: str | None, as_json: bool) -> int:
    """List installed plugins, with the distribution and version of each, and the reason if a plugin is broken.

    With `suites`, list the suites that come with the package; `softal-bench run` accepts their names.
    """
    import json

    from softal_bench.cli.results import show_table

    if kind == _SUITES:
        columns, rows = ["name", "kind", "conditions", "title"], _suite_rows()
    else:
        columns, rows = ["name", "kind", "distribution", "status"], _plugin_rows(kind)
    if as_json:
        say(json.dumps([row for row, _ in rows], indent=2))
        return 0
    show_table("", columns, [texts for _, texts in rows])
    if kind is None:
        say("To list suites, run: softal-bench list suites")
    return 0


def _plugin_rows(kind: str | None) -> list[_Row]:
    import dataclasses

    from softal_bench.registry import registries

    rows: list[_Row] = []
    for name in _PLUGINS if kind is None else (kind,):
        for listing in registries[name].listings():
            status = listing.status if listing.error is None else f"{listing.status}: {listing.error}"
            texts = [listing.name, listing.kind, f"{listing.distribution} {listing.version}", status]
            rows.append((dataclasses.asdict(listing), texts))
    return rows


def _suite_rows() -> list[_Row]:
    """A row for each suite; a suite that needs plugins that are not installed is listed with the reason."""
    from softal_bench.cli.kinds import of_request
    from softal_bench.errors import SoftalError, first_line
    from softal_bench.suite import shipped_suites

    rows: list[_Row] = []
    for name in shipped_suites():
        row: dict[str, object] = {"name": name, "kind": None, "conditions": None, "title": None}
        try:
            kind = of_request(SuiteRequest(Path(name)))
            row |= {"kind": kind.noun, "conditions": len(kind.suite.conditions), "title": kind.suite.title or name}
            row |= {"status": "ok", "error": None}
        except SoftalError as error:
            row |= {"status": "broken", "error": f"cannot be used here: {first_line(error)}"}
        rows.append((row, [name, str(row["kind"]), str(row["conditions"]), str(row["error"] or row["title"])]))
    return rows


@command(short_help="Describe a plugin and its parameters.")
@click.argument("name")
def info(name: str) -> int:
    """Describe a plugin: its parameters with types, defaults and meanings, its needs, cost, citation and origin."""
    from softal_bench.registry import registries_with

    for registry in registries_with(name):
        listing = registry.listing(name)
        say(f"{name}: {registry.noun}, from {listing.distribution} {listing.version}")
        if listing.error:
            say(f"  broken: {listing.error}")
        else:
            _describe(registry, name)
    return 0


def _describe(registry: "Registry[Any]", name: str) -> None:
    from softal_bench.registry import parameters_of

    plugin_class = registry.load(name)
    say(textwrap.indent(inspect.getdoc(plugin_class) or "(no description)", "  "))
    parameters = parameters_of(plugin_class)
    say("\n  parameters:" if parameters else "\n  parameters: none")
    for row in parameters:
        default = "required" if row["required"] else f"default {row['default']}"
        meaning = f": {row['meaning']}" if row["meaning"] else ""
        say(f"    {row['name']}: {row['type']} ({default}){meaning}")
    plugin = plugin_class if any(row["required"] for row in parameters) else registry.build(name)
    for fact in _FACTS:
        value = getattr(plugin, fact, "")
        if isinstance(value, property):  # it depends on parameters that are not given
            continue
        if text := ", ".join(sorted(value)) if isinstance(value, frozenset) else str(value):
            say(f"  {fact}: {text}")
    if digest := registry.source(name):
        say(f"  source: {digest}")


@command(short_help="Check suite files and plugins.")
@click.argument("names", metavar="SUITE_OR_PLUGIN...", nargs=-1, required=True)
@data_dir_option
@option(
    EXECUTION,
    "--device",
    default="cpu",
    show_default=True,
    metavar="auto|cpu|cuda[:i]",
    help="Device on which acquisition functions and models are checked.",
)
def check(names: tuple[str, ...], data_dir: Path | None, device: str) -> int:
    """Check suites and plugins: a suite file, the name of a shipped suite, or the name of an installed plugin.

    Only the checks of plugins are run, and nothing is written.

    Exit code 0: all are valid; 1: a plugin fails a check or is broken, or cells of a cost suite cannot run on this
    machine or with their data; 2: a suite is invalid or a name is unknown.
    """
    from softal_bench.machine.device import resolve_device

    on = resolve_device(device)
    return max(_check(name, data_root(data_dir), on) for name in names)


def _check(name: str, root: Path, device: "torch.device") -> int:
    """Check a suite file, or the shipped suite and the plugins that have this name."""
    from softal_bench.errors import PluginError, SoftalError, suggestion
    from softal_bench.registry import plugin_names
    from softal_bench.suite import looks_like_a_path, shipped_suites

    try:
        if looks_like_a_path(Path(name)):
            return _check_suite(Path(name), root)
        suites, plugins = shipped_suites(), plugin_names()
        if name not in suites and name not in plugins:
            raise PluginError(
                f"unknown plugin or suite {name!r}{suggestion(name, [*plugins, *suites])} `softal-bench list` and "
                "`softal-bench list suites` list the known names; name a suite file with its suffix"
            )
        results = [_check_suite(Path(name), root)] if name in suites else []
        return max([*results, *([_check_plugin(name, root, device)] if name in plugins else [])])
    except SoftalError as error:
        say(f"Error: {error}", err=True)
        return 2


def _check_suite(path: Path, root: Path) -> int:
    from softal_bench.cli.kinds import of_request

    kind = of_request(SuiteRequest(path))
    preflight = kind.preflight(root, fetch=False)
    for note in preflight.unchecked:
        say(f"{path}: not checked against its data: {note}")
    say(f"{path}: valid; {kind.plan()}")
    for cells in preflight.infeasible:
        say(f"{path}: will fail: {cells}")
    return 1 if preflight.infeasible else 0


def _check_plugin(name: str, root: Path, device: "torch.device") -> int:
    from softal_bench.conformance import check_plugin
    from softal_bench.registry import registries_with

    failures = 0
    for registry in registries_with(name):
        results = check_plugin(registry, name, root, device)
        for result in results:
            say(f"{name} ({registry.noun}): {result}")
        failures += any(result.failed for result in results)
    return 1 if failures else 0


@command(short_help="Write a new distribution with a working plugin to start from.")
@click.argument("kind", type=click.Choice(_TEMPLATES), metavar="acquisition|model|dataset")
@click.argument("name")
@option(
    FILES,
    "--into",
    type=click.Path(path_type=Path),
    default=".",
    show_default=True,
    help="Folder to create the distribution's folder in.",
)
def new(kind: str, name: str, into: Path) -> int:
    """Write a complete distribution with a plugin called NAME: a working class, tests, a benchmark and a suite.

    It installs and passes its tests as written; replace its formula with your own. NAME is the plugin's name in suites.
    """
    from softal_bench.templates import KINDS, write_distribution

    folder, *files = write_distribution(KINDS[kind], name, into)
    for path in files:
        say(path)
    say(f"next: cd {shlex.quote(str(folder))} && pip install -e '.[test]' && softal-bench check {name} && pytest")
    say(f"then: softal-bench run suites/try_{name}.yaml")
    return 0
