"""`softal-bench check`."""

from pathlib import Path

import click

from softal_bench.cli.failures import told
from softal_bench.cli.options import data_dir_option, data_root


@click.command(short_help="Check suite files and plugins.")
@click.argument("names", metavar="SUITE_OR_PLUGIN...", nargs=-1, required=True)
@data_dir_option
@told
def check(names: tuple[str, ...], data_dir: Path | None) -> int:
    """Check each SUITE, a file or the name of one that is shipped, and each installed PLUGIN of a name.

    Nothing is run but the plugin's checks, and nothing is written.

    Exit code 0: all sound; 1: a plugin fails a check or is broken; 2: a bad suite or an unknown name.
    """
    return max(_check(name, data_root(data_dir)) for name in names)


def _check(name: str, root: Path) -> int:
    from softal_bench.errors import SoftalError
    from softal_bench.suite import looks_like_a_path

    try:
        if looks_like_a_path(Path(name)):
            return _check_suite(Path(name), root)
        return _check_named(name, root)
    except SoftalError as error:
        click.echo(f"Error: {error}", err=True)
        return 2


def _check_named(name: str, root: Path) -> int:
    """The shipped suite and the plugins of this name, whichever there are."""
    from softal_bench.errors import PluginError, suggestion
    from softal_bench.registry import plugin_names
    from softal_bench.suite import shipped_suites

    suites, plugins = shipped_suites(), plugin_names()
    if name not in suites and name not in plugins:
        known = [*plugins, *suites]
        raise PluginError(
            f"unknown plugin or suite {name!r}{suggestion(name, known)} `softal-bench list` and `softal-bench list "
            "suites` show what there is; a suite file is named with its suffix"
        )
    found = [_check_suite(Path(name), root)] if name in suites else []
    return max([*found, *([_check_plugin(name, root)] if name in plugins else [])])


def _check_suite(path: Path, root: Path) -> int:
    from softal_bench.cli.kinds import of_request
    from softal_bench.cli.options import SuiteRequest

    kind = of_request(SuiteRequest(path))
    for note in kind.preflight(root, fetch=False):
        click.echo(f"{path}: not checked against its data: {note}")
    click.echo(f"{path}: sound; {kind.plan()}")
    return 0


def _check_plugin(name: str, root: Path) -> int:
    from softal_bench.conformance import check_plugin
    from softal_bench.registry import registries_with

    failures = 0
    for registry in registries_with(name):
        results = check_plugin(registry, name, root)
        for result in results:
            click.echo(f"{name} ({registry.noun}): {result}")
        failures += any(result.failed for result in results)
    return 1 if failures else 0
