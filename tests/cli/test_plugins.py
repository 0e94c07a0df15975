"""`list`, `info` and `check`: which plugins are installed, their parameters, and whether they are sound."""

import json
from typing import Any

import pytest
from run.fake_plugins import REASON
from suite.example import write_suite

from softal_bench.registry import parameters_of, registries

from .conftest import CommandLine

BUILT_IN = {
    "acquisitions": {
        *("uniform", "entropy", "variation_ratios", "margin", "mean_std", "bald", "epig", "epig_bald", "thompson_bald"),
        *("softmax", "power", "softrank", "random_top", "batchbald", "batch_epig_bald", "badge", "coreset"),
    },
    "models": {"lenet5", "digits_cnn", "resnet18", "mlp", "ensemble"},
    "datasets": {
        *("digits", "mnist", "fashion_mnist", "emnist", "svhn", "cifar10", "arrays"),
        *("repeated", "imbalanced", "label_noise"),
    },
}


def listed(cli: CommandLine, *arguments: str) -> list[dict[str, Any]]:
    outcome = cli("list", "--json", *arguments)
    assert outcome.exit_code == 0
    rows: list[dict[str, Any]] = json.loads(outcome.output)
    return rows


def test_list_as_json_is_one_list_with_all_built_in_plugins(cli: CommandLine) -> None:
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
def test_list_shows_the_origin_of_a_plugin_and_why_it_is_broken(cli: CommandLine) -> None:
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
    assert "score: OneSampleScore (default bald): " in outcome.output
    assert "temperature: float (default 0.125): " in outcome.output
    assert "citation: Kirsch et al. 2021" in outcome.output
    assert "cost: " in outcome.output


def test_info_explains_every_built_in_parameter() -> None:
    rows = {
        f"{kind} {name}.{row['name']}": row["meaning"]
        for kind, names in BUILT_IN.items()
        for name in names
        for row in parameters_of(registries[kind].load(name))
    }
    assert [parameter for parameter, meaning in rows.items() if not meaning] == []


def test_info_says_what_an_acquisition_function_needs(cli: CommandLine) -> None:
    assert "needs: embeddings, labelled" in cli("info", "coreset").output
    assert "needs: targets" in cli("info", "epig").output
    assert "needs" not in cli("info", "softmax").output


def test_info_says_which_parameters_are_required(cli: CommandLine) -> None:
    assert "of: Dataset (required)" in cli("info", "repeated").output
    assert "path: str (default arrays.npz)" in cli("info", "arrays").output


@pytest.mark.parametrize("name", sorted(set().union(*BUILT_IN.values())))
def test_info_describes_every_built_in_plugin(cli: CommandLine, name: str) -> None:
    outcome = cli("info", name)
    assert outcome.exit_code == 0
    assert "(no description)" not in outcome.output
    assert "parameters" in outcome.output


def test_info_of_an_unknown_plugin_suggests_one_and_returns_2(cli: CommandLine) -> None:
    outcome = cli("info", "sofmax")
    assert outcome.exit_code == 2
    assert outcome.output.startswith("Error: unknown plugin 'sofmax'; did you mean 'softmax'? Installed: badge, bald, ")
    assert len(outcome.lines) == 1


@pytest.mark.usefixtures("fakes")
def test_info_of_a_broken_plugin_says_why(cli: CommandLine) -> None:
    outcome = cli("info", "not_there")
    assert "not_there: acquisition function, from softal-fakes 1.2.3" in outcome.output
    assert "broken: " in outcome.output
    assert "NotThere" in outcome.output


def test_check_of_a_valid_suite_returns_0_with_counts_and_writes_nothing(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, trials=3)
    before = cli.files()
    outcome = cli("check", suite)
    assert outcome.exit_code == 0
    assert cli.files() == before
    assert f"{suite}: valid; 2 conditions, 3 trials each, 24 trainings" in outcome.output


@pytest.mark.parametrize("name", ["bald", "uniform", "softmax", "digits", "digits_cnn"])
def test_check_of_a_valid_plugin_returns_0_and_names_the_rules(cli: CommandLine, name: str) -> None:
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
        ("too_few", "failed: distinct_positions: acquires exactly B distinct positions in range: "),
        ("always_raises", f"RuntimeError: {REASON}"),
        ("exits", "SystemExit"),
        ("not_there", "failed: usable: can be imported and used: "),
        ("not_a_plugin", "failed: usable: can be imported and used: "),
        ("lost", f"RuntimeError: {REASON}"),
    ],
)
def test_check_of_a_failing_or_broken_plugin_returns_1_and_says_why(cli: CommandLine, name: str, told: str) -> None:
    outcome = cli("check", name)
    assert outcome.exit_code == 1, outcome.output
    assert told in outcome.output
    assert "Traceback" not in outcome.output


def test_check_of_an_unknown_name_returns_2(cli: CommandLine) -> None:
    outcome = cli("check", "sofmax")
    assert outcome.exit_code == 2
    assert "unknown plugin or suite 'sofmax'; did you mean 'softmax'?" in outcome.output
    assert "unknown plugin or suite 'quickstrat'; did you mean 'quickstart'?" in cli("check", "quickstrat").output


@pytest.mark.usefixtures("fakes")
def test_check_of_many_names_checks_all_and_returns_the_worst_code(cli: CommandLine) -> None:
    sound = write_suite(cli.folder)
    assert cli("check", sound, "bald").exit_code == 0
    assert cli("check", "too_few", sound).exit_code == 1
    outcome = cli("check", "no.yaml", "too_few", sound)
    assert outcome.exit_code == 2
    assert "no such suite file" in outcome.output
    assert "too_few (acquisition function): failed" in outcome.output
    assert "valid; 2 conditions" in outcome.output


@pytest.mark.usefixtures("fakes")
def test_check_of_a_suite_that_does_not_offer_what_a_plugin_needs_returns_2(cli: CommandLine) -> None:
    text = "{kind: cost, name: tiny_cost, pool_size: 30, batch_size: 1, acquisition: wants_targets}"
    outcome = cli("check", write_suite(cli.folder, text))
    assert outcome.exit_code == 2
    assert "wants_targets needs targets" in outcome.output


SHIPPED = {
    "quickstart",
    "methods",
    "repeated_mnist",
    "temperature",
    "repeated_mnist_journal",
    "cifar10",
    "acquisition_cost",
}


def test_list_suites_shows_the_suites_of_the_package(cli: CommandLine) -> None:
    rows = {row["name"]: row for row in listed(cli, "suites")}
    assert set(rows) >= SHIPPED | {"peers"}
    assert rows["quickstart"] == {
        "name": "quickstart",
        "kind": "trials",
        "conditions": 10,
        "title": "Quickstart: repeated digits",
        "status": "ok",
        "error": None,
    }
    assert rows["acquisition_cost"]["kind"] == "cost"
    assert all(rows[name]["conditions"] > 0 for name in SHIPPED)
    table = cli("list", "suites").output
    assert all(name in table for name in rows)


def test_a_shipped_suite_is_checked_and_planned_by_its_name(cli: CommandLine) -> None:
    checked = cli("check", "quickstart")
    assert checked.exit_code == 0
    assert "quickstart: valid; 10 conditions, 3 trials each" in checked.output
    planned = cli("run", "quickstart", "--dry-run")
    assert planned.exit_code == 0
    assert "10 conditions, 3 trials each" in planned.output
    assert cli.files() == {}


def test_a_shipped_suite_runs_by_its_name_and_writes_under_the_current_folder(cli: CommandLine) -> None:
    choice = ("--only", "acquisition=uniform", "--only", "batch_size=10", "--trials", 1, "--set", "budget=30")
    assert cli("run", "quickstart", "--quiet", *choice).exit_code == 0
    assert (cli.folder / "leaderboard" / "quickstart.md").is_file()
    assert len(list((cli.folder / "runs" / "quickstart").glob("*.jsonl"))) == 1
    assert cli("leaderboard", "quickstart", "--quiet", *choice).exit_code == 0


def test_a_file_with_the_name_of_a_shipped_suite_does_not_replace_it(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, trials=3)
    suite.rename(cli.folder / "quickstart")
    assert "10 conditions, 3 trials each" in cli("run", "quickstart", "--dry-run").output
    assert "2 conditions, 3 trials each" in cli("run", cli.folder / "quickstart", "--dry-run").output
    (cli.folder / "quickstart").rename(cli.folder / "mine")
    assert "2 conditions, 3 trials each" in cli("run", "mine", "--dry-run").output


def test_a_name_that_is_a_suite_and_a_plugin_is_checked_as_both(cli: CommandLine) -> None:
    outcome = cli("check", "cifar10")
    assert "cifar10: valid; " in outcome.output.replace(".yaml", "")
    assert "cifar10 (data set): skipped: " in outcome.output


def test_an_unknown_name_suggests_the_nearest_shipped_suite(cli: CommandLine) -> None:
    outcome = cli("run", "quikstart")
    assert outcome.exit_code == 2
    assert "quikstart: no such suite file, and no suite of this name comes with the package" in outcome.output
    assert "did you mean 'quickstart'?" in outcome.output
