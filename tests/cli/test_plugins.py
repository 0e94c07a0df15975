"""`list`, `info` and `check`: what is installed, what it takes, and whether it is sound."""

import json
from typing import Any

import pytest
from bench.fake_plugins import REASON
from suite.example import acquiring, write_suite

from .conftest import CommandLine

BUILT_IN = {
    "acquisitions": {"uniform", "entropy", "variation_ratios", "bald", "batchbald", "softmax", "power", "softrank"},
    "models": {"lenet5", "digits_cnn"},
    "datasets": {"digits", "mnist", "repeated", "arrays"},
}


def listed(cli: CommandLine, *arguments: str) -> list[dict[str, Any]]:
    outcome = cli("list", "--json", *arguments)
    assert outcome.exit_code == 0
    rows: list[dict[str, Any]] = json.loads(outcome.output)
    return rows


def test_list_as_json_is_one_list_of_objects_with_all_that_is_built_in(cli: CommandLine) -> None:
    rows = listed(cli)
    assert all(set(row) == {"name", "kind", "distribution", "version", "status", "error"} for row in rows)
    for kind, names in BUILT_IN.items():
        found = {row["name"] for row in rows if row["kind"] == kind and row["distribution"] == "softal-bench"}
        assert found >= names
    built_in = [row for row in rows if row["distribution"] == "softal-bench"]
    assert {(row["status"], row["error"]) for row in built_in} == {("ok", None)}


@pytest.mark.parametrize("kind", BUILT_IN)
def test_list_of_one_kind_lists_that_kind(cli: CommandLine, kind: str) -> None:
    rows = listed(cli, kind)
    assert {row["kind"] for row in rows} == {kind}
    table = cli("list", kind).output
    assert all(name in table for name in BUILT_IN[kind])
    others = set().union(*BUILT_IN.values()) - BUILT_IN[kind]
    assert all(f" {name} " not in table for name in others)


@pytest.mark.usefixtures("fakes")
def test_list_shows_where_a_plugin_comes_from_and_why_a_broken_one_is_broken(cli: CommandLine) -> None:
    rows = {row["name"]: row for row in listed(cli)}
    assert (
        rows["always_raises"]["distribution"],
        rows["always_raises"]["version"],
        rows["always_raises"]["status"],
    ) == (
        "softal-fakes",
        "1.2.3",
        "ok",
    )
    assert rows["not_there"]["status"] == "broken"
    assert "NotThere" in rows["not_there"]["error"]
    assert rows["not_a_plugin"]["status"] == "broken"
    assert rows["bald"]["status"] == "ok"
    outcome = cli("list")
    assert outcome.exit_code == 0
    assert "broken" in outcome.output


def test_info_shows_parameters_with_types_and_defaults_the_description_and_the_citation(cli: CommandLine) -> None:
    outcome = cli("info", "softmax")
    assert outcome.exit_code == 0
    assert outcome.lines[0].startswith("softmax: acquisition function, from softal-bench ")
    assert "exp(s_i / T)" in outcome.output
    assert "score: OneSampleScore (default bald)" in outcome.output
    assert "temperature: float (default 0.125)" in outcome.output
    assert "citation: Kirsch et al. 2021" in outcome.output
    assert "cost: " in outcome.output


def test_info_says_which_parameters_are_required(cli: CommandLine) -> None:
    assert "of: Dataset (required)" in cli("info", "repeated").output
    assert "path: str (default arrays.npz)" in cli("info", "arrays").output


@pytest.mark.parametrize("name", sorted(set().union(*BUILT_IN.values())))
def test_info_describes_everything_that_is_built_in(cli: CommandLine, name: str) -> None:
    outcome = cli("info", name)
    assert outcome.exit_code == 0
    assert "(no description)" not in outcome.output
    assert "parameters" in outcome.output


def test_info_of_an_unknown_plugin_suggests_one_and_ends_with_2(cli: CommandLine) -> None:
    outcome = cli("info", "sofmax")
    assert outcome.exit_code == 2
    assert outcome.output.startswith("Error: unknown plugin 'sofmax'; did you mean 'softmax'? Installed: bald, ")
    assert len(outcome.lines) == 1


@pytest.mark.usefixtures("fakes")
def test_info_of_a_broken_plugin_says_why(cli: CommandLine) -> None:
    outcome = cli("info", "not_there")
    assert "not_there: acquisition function, from softal-fakes 1.2.3" in outcome.output
    assert "broken: " in outcome.output
    assert "NotThere" in outcome.output


def test_check_of_a_sound_suite_ends_with_0_counts_it_and_writes_nothing(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, trials=3)
    before = cli.files()
    outcome = cli("check", suite)
    assert outcome.exit_code == 0
    assert cli.files() == before
    assert f"{suite}: sound; 2 conditions, 3 trials each, 24 trainings" in outcome.output


@pytest.mark.parametrize("name", ["bald", "uniform", "softmax", "digits", "digits_cnn"])
def test_check_of_a_sound_plugin_ends_with_0_and_names_the_rules(cli: CommandLine, name: str) -> None:
    outcome = cli("check", name)
    assert outcome.exit_code == 0, outcome.output
    assert len(outcome.lines) > 2
    assert all(line.startswith(f"{name} (") for line in outcome.lines)
    assert "failed" not in outcome.output
    assert cli.files() == {}


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("too_few", "failed: chooses exactly B distinct positions in range: "),
        ("always_raises", f"RuntimeError: {REASON}"),
        ("exits", "SystemExit"),
        ("not_there", "failed: usable: "),
        ("not_a_plugin", "failed: usable: "),
        ("lost", f"RuntimeError: {REASON}"),
    ],
)
def test_check_of_a_plugin_that_fails_or_is_broken_ends_with_1_and_says_why(
    cli: CommandLine, name: str, told: str
) -> None:
    outcome = cli("check", name)
    assert outcome.exit_code == 1, outcome.output
    assert told in outcome.output
    assert "Traceback" not in outcome.output


def test_check_of_an_unknown_name_ends_with_2(cli: CommandLine) -> None:
    outcome = cli("check", "sofmax")
    assert outcome.exit_code == 2
    assert "unknown plugin 'sofmax'; did you mean 'softmax'?" in outcome.output


@pytest.mark.usefixtures("fakes")
def test_check_of_several_names_looks_at_all_and_ends_with_the_worst(cli: CommandLine) -> None:
    sound = write_suite(cli.folder)
    assert cli("check", sound, "bald").exit_code == 0
    assert cli("check", "too_few", sound).exit_code == 1
    outcome = cli("check", "no.yaml", "too_few", sound)
    assert outcome.exit_code == 2
    assert "no such suite file" in outcome.output
    assert "too_few (acquisition function): failed" in outcome.output
    assert "sound; 2 conditions" in outcome.output


@pytest.mark.usefixtures("fakes")
def test_check_of_a_suite_with_a_plugin_that_cannot_be_offered_what_it_needs_ends_with_2(cli: CommandLine) -> None:
    outcome = cli("check", write_suite(cli.folder, matrix=acquiring("wants_targets")))
    assert outcome.exit_code == 2
    assert "wants_targets needs targets" in outcome.output
