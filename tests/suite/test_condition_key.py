"""A trial's key names its journal: it stays while the numbers stay and changes when anything that decides them does."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from softal_bench.suite import Condition

from .conftest import Loader
from .example import acquiring

PINNED = "bb54ed48c3088871"


@pytest.fixture
def condition(load: Loader) -> Condition:
    """Uniform sampling in the tiny suite."""
    return load().conditions[0]


def test_the_key_of_a_condition_never_changes_by_itself(condition: Condition) -> None:
    # If this fails, every journal ever written is orphaned: is that meant?
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
        {"targets": {"size": 5, "of": "test"}},  # uniform sampling needs none
    ],
    ids=str,
)
def test_the_key_does_not_change_with_what_decides_no_number(
    load: Loader, condition: Condition, changes: dict[str, Any]
) -> None:
    assert load(**changes).conditions[0].key(0) == condition.key(0)


def test_each_trial_has_a_key_of_its_own(condition: Condition) -> None:
    assert len({condition.key(trial) for trial in range(100)}) == 100


@pytest.mark.parametrize("part", ["acquisition", "dataset", "model"])
def test_a_raised_revision_of_a_plugin_changes_the_key_and_another_label_does_not(
    condition: Condition, part: str
) -> None:
    plugin = getattr(condition, part)
    revised = condition.model_copy(update={part: replace(plugin, revision=f"{plugin.name}:999")})
    assert revised.key(0) != condition.key(0)
    relabelled = condition.model_copy(update={part: replace(plugin, label="another")})
    assert relabelled.key(0) == condition.key(0)


def test_the_revision_of_a_nested_plugin_is_part_of_its_wrapper_s(load: Loader) -> None:
    acquisition = load(matrix=acquiring("softmax")).conditions[0].acquisition
    assert acquisition.revision == "softmax:1+bald:1"


def test_the_description_of_a_condition_is_json_and_complete(condition: Condition) -> None:
    described = condition.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["acquisition"] == {"label": "uniform", "name": "uniform", "parameters": {}}
    assert described["model"] == {"label": "digits_cnn", "name": "digits_cnn", "parameters": {"dropout": 0.5}}
    assert set(described) == set(Condition.model_fields) - {
        "pool_subset",
        "validation",
        "targets",
    }  # absent, so left out


def needing_targets(load: Loader, **changes: Any) -> Condition:
    return load(matrix=acquiring("wants_targets"), **changes).conditions[0]


@pytest.mark.usefixtures("fakes")
def test_where_targets_are_needed_the_key_is_the_same_for_none_given_and_the_spelt_out_default(load: Loader) -> None:
    absent = needing_targets(load)
    for spelt_out in ({"size": 100}, {"of": "pool"}, {"size": 100, "of": "pool"}, {}):
        assert needing_targets(load, targets=spelt_out).key(0) == absent.key(0)
    assert absent.describe()["targets"] == {"size": 100, "of": "pool"}


@pytest.mark.usefixtures("fakes")
def test_where_targets_are_needed_the_key_changes_with_them(load: Loader) -> None:
    given = [None, {"size": 99}, {"of": "validation"}, {"of": "test"}]
    assert len({needing_targets(load, targets=targets).key(0) for targets in given}) == 4
