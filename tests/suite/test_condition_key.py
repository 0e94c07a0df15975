"""A trial's key names its journal: it changes if and only if something changes that affects the numbers."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from softal_bench.suite import Condition, condition_of, load_cost_suite, load_suite, shipped_suites, suite_kind

from .conftest import Loader, Refused
from .example import acquiring

RECORDS = Path(__file__).parents[2] / "leaderboard" / "records"
PINNED = "bb54ed48c3088871"


@pytest.fixture
def condition(load: Loader) -> Condition:
    """Return the condition of uniform sampling in the tiny suite."""
    return load().conditions[0]


def test_the_key_of_a_condition_stays_the_same(condition: Condition) -> None:
    # If this fails, every existing journal is orphaned; make sure that this is intended.
    assert condition.key(0) == PINNED


def test_the_key_is_the_same_in_another_process(load: Loader, condition: Condition) -> None:
    code = (
        "import sys, pathlib, softal_bench.suite as suite;"
        "print(suite.load_suite(pathlib.Path(sys.argv[1])).conditions[0].key(0))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(load().path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "4242"},
    )
    assert other.stdout.strip() == condition.key(0)


def test_the_order_of_keys_and_spelt_out_defaults_do_not_change_the_key(load: Loader, condition: Condition) -> None:
    text = load().path.read_text(encoding="utf-8")
    blocks = ["\n".join(lines) for lines in _top_level_blocks(text)]
    assert len(blocks) > 5
    assert load("\n".join(reversed(blocks))).conditions[0].key(0) == condition.key(0)
    spelt_out = load(model={"digits_cnn": {"dropout": 0.5}}, initial={"size": 10, "balanced": False}, seed=0)
    assert spelt_out.conditions[0].key(0) == condition.key(0)


def _top_level_blocks(text: str) -> list[list[str]]:
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith((" ", "-")):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": {"repeated": {"of": "digits"}}},
        {"validation_size": 33},
        {"initial": {"size": 11}},
        {"initial": {"size": 10, "balanced": True}},
        {"budget": 26},
        {"posterior_samples": 5},
        {"pool_subset": 200},
        {"model": {"digits_cnn": {"dropout": 0.25}}},
        {"training": {}},
        {"threads": 2},
        {"seed": 1},
        {"matrix": acquiring("bald")},
        {"matrix": acquiring("uniform", batch_sizes=(6,))},
    ],
    ids=str,
)
def test_the_key_changes_with_any_part_of_the_condition(
    load: Loader, condition: Condition, changes: dict[str, Any]
) -> None:
    assert load(**changes).conditions[0].key(0) != condition.key(0)


@pytest.mark.parametrize("key", sorted(["batch_size", "epoch_draws", "max_epochs", "patience", "evaluation_samples"]))
def test_the_key_changes_with_any_part_of_the_training(load: Loader, condition: Condition, key: str) -> None:
    assert load(settings=(f"training.{key}=7",)).conditions[0].key(0) != condition.key(0)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"title": "Other"},
        {"description": "Other."},
        {"device": "auto"},
        {"trials": 9},
        {"report": {"targets": [0.5]}},
        {"matrix": acquiring("uniform", "entropy", "softmax", batch_sizes=(5, 10))},
        {"targets": {"size": 5, "of": "test"}},  # uniform sampling does not need them
    ],
    ids=str,
)
def test_the_key_ignores_values_that_do_not_affect_results(
    load: Loader, condition: Condition, changes: dict[str, Any]
) -> None:
    assert load(**changes).conditions[0].key(0) == condition.key(0)


def test_each_trial_has_its_own_key(condition: Condition) -> None:
    assert len({condition.key(trial) for trial in range(100)}) == 100


@pytest.mark.parametrize("part", ["acquisition", "dataset", "model"])
def test_a_new_revision_of_a_plugin_changes_the_key_but_a_new_label_does_not(condition: Condition, part: str) -> None:
    plugin = getattr(condition, part)
    revised = condition.model_copy(update={part: replace(plugin, revision=f"{plugin.name}:999")})
    assert revised.key(0) != condition.key(0)
    relabelled = condition.model_copy(update={part: replace(plugin, label="another")})
    assert relabelled.key(0) == condition.key(0)


def test_the_revision_of_a_plugin_includes_nested_plugins(load: Loader) -> None:
    acquisition = load(matrix=acquiring("softmax")).conditions[0].acquisition
    assert acquisition.revision == "softmax:1+bald:1"


def test_the_description_of_a_condition_is_complete_json(condition: Condition) -> None:
    described = condition.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["acquisition"] == {"label": "uniform", "name": "uniform", "parameters": {}}
    assert described["model"] == {"label": "digits_cnn", "name": "digits_cnn", "parameters": {"dropout": 0.5}}
    left_out = {"pool_subset", "validation", "targets"}  # absent, a newer key at its default, and not needed
    assert set(described) == set(Condition.model_fields) - left_out


def needing_targets(load: Loader, **changes: Any) -> Condition:
    return load(matrix=acquiring("wants_targets"), **changes).conditions[0]


@pytest.mark.usefixtures("fakes")
def test_absent_and_explicit_default_targets_give_the_same_key_if_targets_are_needed(load: Loader) -> None:
    absent = needing_targets(load)
    for spelt_out in ({"size": 100}, {"of": "pool"}, {"size": 100, "of": "pool"}, {}):
        assert needing_targets(load, targets=spelt_out).key(0) == absent.key(0)
    assert absent.describe()["targets"] == {"size": 100, "of": "pool"}


@pytest.mark.usefixtures("fakes")
def test_the_key_changes_with_targets_if_they_are_needed(load: Loader) -> None:
    given = [None, {"size": 99}, {"of": "validation"}, {"of": "test"}]
    assert len({needing_targets(load, targets=targets).key(0) for targets in given}) == 4


# The number of keys of each shipped suite, and a digest of all of them. A change here orphans published journals.
KEYS_OF_SHIPPED_SUITES = {
    "acquisition_cost": (1053, "05407086a80e3aa1"),
    "cifar10": (240, "e85f53476eecbbe9"),
    "methods": (90, "05248cdf512afa54"),
    "quickstart": (30, "c0e8ab2f8d364254"),
    "repeated_mnist": (180, "d3e5f2e6533116b0"),
    "repeated_mnist_journal": (975, "4367f2032c16274b"),
    "temperature": (410, "74310c3d24eab140"),
}


@pytest.mark.parametrize("name", KEYS_OF_SHIPPED_SUITES)
def test_the_keys_of_a_shipped_suite_stay_the_same(name: str) -> None:
    path = shipped_suites()[name]
    if suite_kind(path) == "cost":
        keys = [condition.key(0) for condition in load_cost_suite(path).conditions]
    else:
        suite = load_suite(path)
        keys = [condition.key(trial) for condition in suite.conditions for trial in range(suite.trials)]
    digest = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]
    assert (len(keys), digest) == KEYS_OF_SHIPPED_SUITES[name]


@pytest.mark.parametrize("folder", sorted(path.name for path in RECORDS.iterdir() if path.is_dir()))
def test_every_published_journal_has_the_key_of_its_condition(folder: str) -> None:
    journals = [path for path in sorted((RECORDS / folder).glob("*.jsonl")) if path.name != "verified.jsonl"]
    assert journals
    for path in journals:
        with path.open(encoding="utf-8") as lines:
            header = json.loads(next(lines))
        assert condition_of(header["condition"]).key(header["trial"]) == header["key"] == path.stem


NEWER_KEYS = ["initial.fixed", "validation.stratified", "validation.fixed", "validation.before_repetition"]


@pytest.mark.parametrize("key", NEWER_KEYS)
def test_a_newer_key_at_its_default_changes_neither_key_nor_header(
    load: Loader, condition: Condition, key: str
) -> None:
    spelt_out = load(settings=(f"{key}=false",)).conditions[0]
    assert spelt_out.key(0) == condition.key(0)
    assert spelt_out.describe() == condition.describe()
    assert spelt_out.value(key) is False


@pytest.mark.parametrize("key", NEWER_KEYS)
def test_a_newer_key_that_is_set_changes_key_and_header(load: Loader, condition: Condition, key: str) -> None:
    changed = load(settings=(f"{key}=true",)).conditions[0]
    assert changed.key(0) != condition.key(0)
    part, name = key.split(".")
    assert changed.describe()[part][name] is True


@pytest.mark.parametrize("key", NEWER_KEYS)
def test_a_boolean_key_cannot_be_null(refused: Refused, key: str) -> None:
    assert refused(settings=(f"{key}=null",)).startswith(f"FILE: {key}: ")
