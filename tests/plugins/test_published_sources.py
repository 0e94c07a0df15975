"""No published record is stale: the installed plugins give the results of the code that computed the records."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from softal_bench.registry import registries

RECORDS = Path(__file__).parents[2] / "leaderboard" / "records"
Used = tuple[str, str, str]  # the kind of a plugin, its name, and the digest of its source


def plugins_of(journal: Path) -> Iterator[Used]:
    """Yield the built-in plugins in the headers of a published journal."""
    for line in journal.read_text().splitlines():
        for plugin in json.loads(line).get("plugins", []):
            if plugin["distribution"] == "softal-bench":
                yield plugin["kind"], plugin["name"], plugin["source"]


PUBLISHED = sorted({used for journal in RECORDS.rglob("*.jsonl") for used in plugins_of(journal)})


@pytest.mark.parametrize(("kind", "name", "digest"), PUBLISHED)
def test_published_and_installed_sources_of_a_plugin_give_equal_results(kind: str, name: str, digest: str) -> None:
    installed = registries[kind].source(name)
    assert installed is not None
    assert registries[kind].same_results(name, digest, installed), (
        f"{name}: the records were computed by source {digest}, the installed source is {installed}; undo the change, "
        "or raise the plugin's `revision` if results change, or list both digests in "
        "plugins/softal_plugins/equivalent_sources.py after the golden trials have shown that they do not"
    )


def test_published_records_name_plugins_of_every_kind() -> None:
    assert {kind for kind, _, _ in PUBLISHED} == {"acquisitions", "datasets", "models"}
