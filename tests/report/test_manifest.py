"""The manifest of figures: only figures that a suite's earlier page showed are removed, and only inside the folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from softal_bench.errors import SoftalError
from softal_bench.report.pages.publishing import MANIFEST, publish, read_manifest


def figures_of(leaderboard: Path) -> set[str]:
    return {path.name for path in (leaderboard / "figures").glob("*.svg")}


def publish_figures(leaderboard: Path, suite_name: str, *names: str) -> None:
    publish(leaderboard, suite_name, "# A page\n", dict.fromkeys(names, b"<svg/>"))


def manifest(leaderboard: Path) -> Any:
    return json.loads((leaderboard / "figures" / MANIFEST).read_text(encoding="utf-8"))


def test_a_suite_does_not_remove_figures_of_a_suite_with_the_same_prefix(tmp_path: Path) -> None:
    """`temperature-over-seconds.svg` could be the figure of either suite, judging by its name."""
    publish_figures(tmp_path, "temperature-over", "temperature-over-seconds.svg")
    publish_figures(tmp_path, "temperature", "temperature-B10.svg")
    assert figures_of(tmp_path) == {"temperature-over-seconds.svg", "temperature-B10.svg"}


def test_a_figure_that_the_page_no_longer_shows_is_removed_and_others_are_kept(tmp_path: Path) -> None:
    publish_figures(tmp_path, "other", "other-B5.svg")
    publish_figures(tmp_path, "example", "example-B5.svg", "example-B10.svg")
    (tmp_path / "figures" / "example-mine.svg").write_text("drawn by hand")
    publish_figures(tmp_path, "example", "example-B10.svg")
    assert figures_of(tmp_path) == {"other-B5.svg", "example-B10.svg", "example-mine.svg"}
    assert manifest(tmp_path) == {"example": ["example-B10.svg"], "other": ["other-B5.svg"]}


def test_a_suite_without_figures_has_no_entry_and_creates_no_manifest(tmp_path: Path) -> None:
    publish_figures(tmp_path, "example")
    assert not (tmp_path / "figures").exists()
    publish_figures(tmp_path, "example", "example-B5.svg")
    publish_figures(tmp_path, "example")
    assert (figures_of(tmp_path), manifest(tmp_path)) == (set(), {})


def test_a_figure_that_two_suites_list_is_kept(tmp_path: Path) -> None:
    publish_figures(tmp_path, "first", "shared.svg")
    publish_figures(tmp_path, "second", "shared.svg")
    publish_figures(tmp_path, "first", "first-B5.svg")
    assert figures_of(tmp_path) == {"shared.svg", "first-B5.svg"}


def test_the_bytes_of_the_manifest_do_not_depend_on_the_order_of_publishing(tmp_path: Path) -> None:
    for folder, names in (("one", ["a", "b"]), ("two", ["b", "a"])):
        for name in names:
            publish_figures(tmp_path / folder, name, f"{name}-B5.svg", f"{name}-B10.svg")
    written = [(tmp_path / folder / "figures" / MANIFEST).read_bytes() for folder in ("one", "two")]
    assert written[0] == written[1]
    assert written[0].endswith(b"\n")


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b"[" * 100_000, b'{"example": "example-B5.svg"}'],
    ids=lambda data: repr(data[:12]),
)
def test_a_damaged_manifest_is_rewritten_and_no_figure_is_removed(tmp_path: Path, damaged: bytes) -> None:
    publish_figures(tmp_path, "example", "example-B5.svg")
    (tmp_path / "figures" / MANIFEST).write_bytes(damaged)
    publish_figures(tmp_path, "example", "example-B10.svg")
    assert figures_of(tmp_path) == {"example-B5.svg", "example-B10.svg"}
    assert manifest(tmp_path) == {"example": ["example-B10.svg"]}


def test_a_missing_manifest_is_written_and_no_figure_is_removed(tmp_path: Path) -> None:
    publish_figures(tmp_path, "example", "example-B5.svg")
    (tmp_path / "figures" / MANIFEST).unlink()
    publish_figures(tmp_path, "example", "example-B10.svg")
    assert figures_of(tmp_path) == {"example-B5.svg", "example-B10.svg"}
    assert manifest(tmp_path) == {"example": ["example-B10.svg"]}


HOSTILE = [
    "../victim.svg",
    "..",
    "/victim.svg",
    "sub/victim.svg",
    "..\\victim.svg",
    "C:victim.svg",
    ".hidden.svg",
    "victim.md",
    "manifest.json",
    "a\x00.svg",
    "a\n.svg",
    "",
    7,
    None,
    ["example-B5.svg"],
]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_names_in_the_manifest_can_remove_only_figures(tmp_path: Path, name: Any) -> None:
    leaderboard = tmp_path / "leaderboard"
    publish_figures(leaderboard, "example", "example-B5.svg")
    folder = leaderboard / "figures"
    (folder / "sub").mkdir()
    victims = [
        tmp_path / "victim.svg",
        leaderboard / "victim.svg",
        folder / "sub" / "victim.svg",
        folder / ".hidden.svg",
        folder / "victim.md",
    ]
    for victim in victims:
        victim.write_text("keep me")
    named = str(victims[0]) if name == "/victim.svg" else name
    (folder / MANIFEST).write_text(json.dumps({"example": ["example-B5.svg", named], "other": ["other-B5.svg"]}))
    publish_figures(leaderboard, "example", "example-B10.svg")
    assert all(victim.exists() for victim in victims)
    assert manifest(leaderboard) == {"example": ["example-B10.svg"], "other": ["other-B5.svg"]}


def test_a_link_is_removed_without_its_target_and_a_folder_is_kept(tmp_path: Path) -> None:
    leaderboard, target = tmp_path / "leaderboard", tmp_path / "target.svg"
    target.write_text("keep me")
    publish_figures(leaderboard, "example", "link.svg", "folder.svg")
    folder = leaderboard / "figures"
    (folder / "link.svg").unlink()
    (folder / "link.svg").symlink_to(target)
    (folder / "folder.svg").unlink()
    (folder / "folder.svg").mkdir()
    publish_figures(leaderboard, "example", "example-B5.svg")
    assert target.read_text() == "keep me"
    assert figures_of(leaderboard) == {"example-B5.svg", "folder.svg"}


def test_the_error_names_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "figures" / MANIFEST).mkdir(parents=True)
    with pytest.raises(SoftalError, match=rf"figures/{MANIFEST}: cannot be read or written"):
        read_manifest(tmp_path / "figures")
