"""Lists are multiplied, `exclude` removes, `overrides` set, `--only` selects and `--set` replaces."""

import time
from typing import Any

import pytest

from softal_bench.suite import Suite

from .conftest import Loader, Refused
from .example import acquiring

POWER = {"power": {"score": "bald", "temperature": 0.125}}
POWER_LABEL = "power(bald, T=0.125)"


def cells(suite: Suite) -> list[tuple[str, int]]:
    return [(condition.acquisition.label, condition.batch_size) for condition in suite.conditions]


def test_the_matrix_combines_its_lists_in_the_order_of_the_file(load: Loader) -> None:
    suite = load(matrix=acquiring("uniform", "bald", batch_sizes=(5, 10)))
    assert cells(suite) == [("uniform", 5), ("bald", 5), ("uniform", 10), ("bald", 10)]
    assert suite.varied == ("batch_size", "acquisition")


def test_a_dotted_key_of_the_matrix_sets_only_the_nested_key(load: Loader) -> None:
    suite = load(matrix={**acquiring("bald"), "training.max_epochs": [1, 3]})
    assert [condition.training.max_epochs for condition in suite.conditions] == [1, 3]
    assert {condition.training.epoch_draws for condition in suite.conditions} == {64}
    assert suite.varied == ("training.max_epochs",)


def test_exclude_removes_the_combinations_that_match_all_of_its_keys(load: Loader) -> None:
    suite = load(
        matrix=acquiring("uniform", "bald", batch_sizes=(5, 10, 15)),
        exclude=[{"acquisition": "bald", "batch_size": [10, 15]}, {"acquisition": "uniform", "batch_size": 5}],
    )
    assert cells(suite) == [("bald", 5), ("uniform", 10), ("uniform", 15)]


def test_overrides_set_keys_of_matching_combinations_and_the_last_one_wins(load: Loader) -> None:
    suite = load(
        matrix=acquiring("uniform", "bald", batch_sizes=(5, 10)),
        overrides=[
            {"where": {"acquisition": "bald"}, "set": {"posterior_samples": 7, "training.max_epochs": 2}},
            {"where": {"acquisition": "bald", "batch_size": 10}, "set": {"posterior_samples": 9}},
        ],
    )
    found = [
        (*cell, condition.posterior_samples, condition.training.max_epochs, condition.training.epoch_draws)
        for cell, condition in zip(cells(suite), suite.conditions, strict=True)
    ]
    assert found == [("uniform", 5, 4, 1, 64), ("bald", 5, 7, 2, 64), ("uniform", 10, 4, 1, 64), ("bald", 10, 9, 2, 64)]


def test_only_can_match_a_value_set_by_an_override(load: Loader) -> None:
    overrides = [{"where": {"acquisition": "bald"}, "set": {"posterior_samples": 7}}]
    assert cells(load(overrides=overrides, only=("posterior_samples=7",))) == [("bald", 5)]


@pytest.mark.parametrize("wanted", ["power", POWER_LABEL])
def test_a_plugin_is_matched_by_its_name_or_by_its_label(load: Loader, wanted: str) -> None:
    matrix = acquiring("bald", POWER, {"power": {"temperature": 8.0}})
    labels = [POWER_LABEL, "power(bald, T=8)"] if wanted == "power" else [POWER_LABEL]
    kept = load(matrix=matrix, only=(f"acquisition={wanted}",))
    assert [label for label, _ in cells(kept)] == labels
    left = load(matrix=matrix, exclude=[{"acquisition": wanted}])
    assert [label for label, _ in cells(left)] == [
        label for label in ("bald", POWER_LABEL, "power(bald, T=8)") if label not in labels
    ]


def test_bald_does_not_match_a_rule_over_bald(load: Loader) -> None:
    suite = load(matrix=acquiring("bald", POWER), only=("acquisition=bald",))
    assert cells(suite) == [("bald", 5)]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (("acquisition=bald",), [("bald", 5), ("bald", 10)]),
        (("acquisition=bald", "acquisition=uniform"), [("uniform", 5), ("bald", 5), ("uniform", 10), ("bald", 10)]),
        (("acquisition=bald", "batch_size=10"), [("bald", 10)]),
        (("batch_size=[5, 10]", "acquisition=uniform"), [("uniform", 5), ("uniform", 10)]),
        (("training.max_epochs=1", "batch_size=5"), [("uniform", 5), ("bald", 5)]),
        (("dataset=digits", "initial.size=10", "batch_size=10"), [("uniform", 10), ("bald", 10)]),
    ],
)
def test_only_keeps_conditions_that_match_every_key(
    load: Loader, only: tuple[str, ...], expected: list[tuple[str, int]]
) -> None:
    assert cells(load(matrix=acquiring("uniform", "bald", batch_sizes=(5, 10)), only=only)) == expected


def test_only_does_not_change_the_varied_keys(load: Loader) -> None:
    matrix = acquiring("uniform", "bald", batch_sizes=(5, 10))
    assert load(matrix=matrix, only=("batch_size=5",)).varied == ("batch_size", "acquisition")


@pytest.mark.parametrize(
    ("only", "fragments"),
    [
        ("acquisition=sofmax", ["matches no condition", "bald, uniform"]),
        ("batch_size=6", ["matches no condition", "batch_size is 5"]),
        ('batch_size="5"', ["matches no condition"]),
        ("acq=bald", ["unknown key 'acq'", "acquisition"]),
        ("trainin.max_epochs=1", ["unknown key 'trainin.max_epochs'; did you mean 'training'?"]),
        ("trials=1", ["unknown key 'trials'"]),
        ("acquisition.name=bald", ["matches no condition"]),
        ("acquisition", ["KEY=VALUE"]),
        ("=bald", ["KEY=VALUE"]),
        ("acquisition=[bald", ["invalid YAML"]),
    ],
)
def test_an_only_that_matches_nothing_is_rejected(refused: Refused, only: str, fragments: list[str]) -> None:
    message = refused(only=(only,))
    assert message.startswith(f"--only {only}: ")
    assert all(fragment in message for fragment in fragments), message


def test_onlys_that_never_match_together_are_rejected(refused: Refused) -> None:
    message = refused(
        matrix=acquiring("uniform", "bald", batch_sizes=(5, 10)),
        exclude=[{"acquisition": "bald", "batch_size": 10}],
        only=("acquisition=bald", "batch_size=10"),
    )
    assert "--only acquisition=bald --only batch_size=10: no condition matches" in message


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("seed=7", "seed", 7),
        ("training.epoch_draws=5056", "training.epoch_draws", 5056),
        ("training.learning_rate=1e-3", "training.learning_rate", 0.001),
        ("pool_subset=200", "pool_subset", 200),
        ("initial.balanced=true", "initial.balanced", True),
        ("initial={size: 12}", "initial.size", 12),
        ("matrix.batch_size=[3]", "batch_size", 3),
        ("dataset={repeated: {of: digits}}", "dataset", "repeated(digits, times=2, noise_std=0.1)"),
    ],
)
def test_set_replaces_a_value_of_the_file(load: Loader, setting: str, key: str, value: Any) -> None:
    suite = load(settings=(setting,))
    assert {condition.value(key) for condition in suite.conditions} == {value}


def test_set_changes_a_parameter_of_a_plugin(load: Loader) -> None:
    suite = load(model={"digits_cnn": {"dropout": 0.5}}, settings=("model.digits_cnn.dropout=0.25",))
    assert suite.conditions[0].model.parameters == {"dropout": 0.25}


def test_set_does_not_change_other_nested_keys(load: Loader) -> None:
    suite = load(settings=("training.max_epochs=4",))
    training = suite.conditions[0].training
    assert (training.max_epochs, training.epoch_draws) == (4, 64)


def test_the_last_setting_of_a_key_wins(load: Loader) -> None:
    assert load(settings=("seed=1", "seed=2")).conditions[0].seed == 2


def test_the_number_of_trials_can_be_overridden(load: Loader) -> None:
    assert load(trials=5, trial_count=2).trials == 2
    assert load(trials=5, settings=("trials=3",)).trials == 3


@pytest.mark.parametrize(
    ("setting", "fragments"),
    [
        ("nope=1", ["unknown key 'nope'", "Known: name"]),
        ("trails=1", ["unknown key 'trails'; did you mean 'trials'?"]),
        ("training.epoch=10", ["training.epoch: unknown key"]),
        ("budget=.nan", ["--set budget=.nan: nan is not a finite number"]),
        ("budget=ten", ["budget: ", "got 'ten'"]),
        ("budget=", ["budget: ", "got None"]),
        ("budget", ["--set budget: write --set"]),
        ("=3", ["--set =3: write --set"]),
        ("name=!!python/name:os.system x", ["--set name=!!python", "tag"]),
        ("budget=[1", ["--set budget=[1: ", "invalid YAML"]),
        ("seed.x=1", ["seed: ", "{'x': 1}"]),
        ("model.digits_cnn.dropout=0.1", ["'model' is not a mapping"]),
        ("batch_size=10", ["--set batch_size=10: ", "--set matrix.batch_size=[...]", "--only batch_size"]),
        ("device=gpu", ["device: ", "got 'gpu'"]),
        ("matrix=3", ["matrix: ", "got 3"]),
    ],
)
def test_an_unusable_setting_is_rejected(refused: Refused, setting: str, fragments: list[str]) -> None:
    message = refused(settings=(setting,))
    assert all(fragment in message for fragment in fragments), message


@pytest.mark.parametrize("matrix", [5, None, [1], "batch_size"])
def test_a_matrix_of_the_wrong_type_is_rejected_with_settings_too(refused: Refused, matrix: Any) -> None:
    message = refused(f"name: x\nmatrix: {'' if matrix is None else matrix}", settings=("seed=1",))
    assert message.startswith("FILE: matrix: ")


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        (
            [{"acquisition": "power"}],
            "FILE: exclude[0]: matches no condition: {'acquisition': 'power'}; the acquisition functi",
        ),
        ([{"batch_size": 5, "acquisition": "bald"}, {"batch_size": 6}], "FILE: exclude[1]: matches no condition"),
        ([{"acquisition": "bald"}, {"acquisition": "bald"}], "FILE: exclude[1]: matches no condition"),
        ([{"aquisition": "bald"}], "FILE: exclude[0]: unknown key 'aquisition'; did you mean 'acquisition'?"),
        ([{}], "FILE: exclude[0]: "),
        ([{"batch_size": 5}], "FILE: exclude: every condition is excluded"),
    ],
    ids=str,
)
def test_an_exclude_that_matches_nothing_or_all_is_rejected(refused: Refused, exclude: list[Any], message: str) -> None:
    assert refused(exclude=exclude).startswith(message)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"where": {"acquisition": "power"}, "set": {"seed": 1}}, "FILE: overrides[0].where: matches no condition"),
        ({"where": {"acq": "bald"}, "set": {"seed": 1}}, "FILE: overrides[0].where: unknown key 'acq'"),
        ({"where": {"acquisition": "bald"}, "set": {"seed": -1}}, "FILE: overrides[0].set.seed: "),
        ({"where": {"acquisition": "bald"}, "set": {"trials": 1}}, "FILE: overrides[0].set.trials: unknown key"),
        (
            {"where": {"acquisition": "bald"}, "set": {"training.x": 1}},
            "FILE: overrides[0].set.training.x: unknown key",
        ),
        (
            {"where": {"acquisition": "bald"}, "set": {"acquisition": "no"}},
            "FILE: overrides[0].set.acquisition: unknown acq",
        ),
        ({"when": {"acquisition": "bald"}, "set": {"seed": 1}}, "FILE: overrides[0].w"),
    ],
    ids=str,
)
def test_an_override_that_matches_nothing_or_is_invalid_is_rejected(
    refused: Refused, override: dict[str, Any], message: str
) -> None:
    assert refused(overrides=[override]).startswith(message)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ({"batch_size": [5], "acquisition": []}, "FILE: matrix.acquisition: "),
        ({**acquiring("bald"), "treshold": [1]}, "FILE: matrix: unknown key 'treshold'. Known: "),
        (
            {**acquiring("bald"), "batch_sizes": [1]},
            "FILE: matrix: unknown key 'batch_sizes'; did you mean 'batch_size'?",
        ),
        ({**acquiring("bald"), "budget": [30]}, "FILE: budget: it is in the matrix and outside it"),
        ({**acquiring("bald"), "training.max_epochs": [1, 0]}, "FILE: matrix.training.max_epochs[1]: "),
        ({**acquiring("bald"), "training.epochs": [1]}, "FILE: matrix.training.epochs[0]: unknown key"),
    ],
    ids=str,
)
def test_an_invalid_matrix_is_rejected(refused: Refused, matrix: dict[str, Any], message: str) -> None:
    assert refused(matrix=matrix).startswith(message)


def test_a_matrix_above_the_limit_is_rejected_before_it_is_built(refused: Refused) -> None:
    before = time.process_time()
    message = refused(
        posterior_samples=None,
        matrix={**acquiring("bald", batch_sizes=tuple(range(1, 402))), "posterior_samples": list(range(1, 251))},
    )
    assert message.startswith("FILE: matrix: 100250 conditions; at most 100000 are allowed")
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    "changes",
    [
        {"matrix": acquiring("bald", "bald")},
        {"matrix": acquiring("bald", {"bald": {}})},
        {"matrix": acquiring("power", POWER)},
        {"matrix": acquiring("bald", batch_sizes=(5, 5))},
        {"overrides": [{"where": {"acquisition": "bald"}, "set": {"acquisition": "uniform"}}]},
    ],
    ids=str,
)
def test_two_equal_conditions_are_rejected(refused: Refused, changes: dict[str, Any]) -> None:
    message = refused(**changes)
    assert "two conditions are the same" in message
    assert "with batch_size 5" in message


def test_the_labels_of_different_acquisition_functions_differ(load: Loader) -> None:
    suite = load(matrix=acquiring({"power": {"temperature": 0.1234561}}, {"power": {"temperature": 0.1234562}}))
    first, second = suite.conditions
    assert first.key(0) != second.key(0)
    assert first.acquisition.label != second.acquisition.label


def test_only_matches_a_number_by_its_value(load: Loader) -> None:
    softmax = [{"softmax": {"temperature": 1}}, {"softmax": {"temperature": 2}}, "bald"]
    suite = load(only=("acquisition.softmax.temperature=1",), matrix={"acquisition": softmax, "batch_size": [5]})
    assert [condition.acquisition.label for condition in suite.conditions] == ["softmax(bald, T=1)"]
