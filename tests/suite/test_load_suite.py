"""A suite file becomes conditions, or an error that says what is wrong where, and what is allowed."""

from pathlib import Path
from typing import Any

import pytest

from softal_bench.errors import SuiteError
from softal_bench.suite import load_suite

from .conftest import Loader, Refused
from .example import acquiring

RULES = ("softmax", "power", "softrank")


def test_the_suite_has_the_values_of_the_file(load: Loader) -> None:
    suite = load(title="A title", description="Why.", trials=3, device="auto", report={"targets": [0.5]})
    assert (suite.name, suite.title, suite.description) == ("tiny", "A title", "Why.")
    assert (suite.device, suite.trials, suite.report.targets) == ("auto", 3, [0.5])
    condition = suite.conditions[1]
    assert condition.acquisition.label == "bald"
    assert (condition.batch_size, condition.budget, condition.initial.size) == (5, 25, 10)
    assert condition.dataset.name == "digits"
    assert condition.training.epoch_draws == 64


def test_omitted_keys_have_the_defaults_of_the_paper(load: Loader) -> None:
    suite = load(training=None, initial=None, posterior_samples=None, trials=None, budget=300)
    condition = suite.conditions[0]
    assert suite.trials == 5
    assert suite.report.targets == [0.9, 0.95]
    assert (condition.initial.size, condition.initial.balanced) == (20, False)
    assert condition.posterior_samples == 20
    training = condition.training
    assert (training.batch_size, training.epoch_draws, training.max_epochs, training.patience) == (64, 24576, 10, 3)
    assert (training.learning_rate, training.weight_decay, training.monitor) == (1e-3, 5e-4, "nll")
    assert (training.evaluation_samples, training.evaluation_mean) == (None, "geometric")


def test_a_suite_does_not_need_a_matrix(load: Loader) -> None:
    suite = load(matrix=None, batch_size=5, acquisition="bald")
    assert [condition.acquisition.name for condition in suite.conditions] == ["bald"]
    assert suite.varied == ()


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"no\.yaml: no such suite file"):
        load_suite(tmp_path / "no.yaml")


def test_a_folder_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="cannot be read: is not a regular file"):
        load_suite(tmp_path)


def test_a_binary_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff")
    with pytest.raises(SuiteError, match=r"picture\.yaml: not a text file"):
        load_suite(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "FILE: the file is empty"),
        ("# only a comment\n", "FILE: the file is empty"),
        ("- a\n- b", "FILE: need a mapping of keys; got list"),
        ("name", "FILE: need a mapping of keys; got str"),
        ("12", "FILE: need a mapping of keys; got int"),
        ("name: [", "FILE: line 1, column 8: invalid YAML"),
        ("name: a\nname: b", "FILE: line 2, column 1: invalid YAML: the key 'name' is repeated"),
        ("name: a\nbudget: .nan", "FILE: budget: nan is not a finite number"),
        ("name: !!python/object/apply:os.getpid []", "FILE: line 1, column 7: invalid YAML"),
        ("title: a", "FILE: name: missing"),
    ],
)
def test_a_file_that_is_not_a_suite_is_rejected(refused: Refused, text: str, message: str) -> None:
    assert refused(text).startswith(message)


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"trails": 3}, ["FILE: unknown key 'trails'; did you mean 'trials'?", "budget"]),
        ({"zzz": 3}, ["FILE: unknown key 'zzz'.", "Known: name, "]),
        ({"name": None}, ["FILE: name: missing"]),
        ({"budget": None}, ["FILE: budget: missing"]),
        ({"trials": "3"}, ["FILE: trials: ", "integer", "got '3'"]),
        ({"budget": 100.5}, ["FILE: budget: ", "integer", "got 100.5"]),
        ({"budget": True}, ["FILE: budget: ", "integer", "got True"]),
        ({"title": 3}, ["FILE: title: ", "string", "got 3"]),
        ({"initial": {"size": 10, "balanced": "yes"}}, ["FILE: initial.balanced: ", "boolean", "got 'yes'"]),
        ({"initial": 20}, ["FILE: initial: ", "got 20"]),
        ({"training": {"monitor": "loss"}}, ["FILE: training.monitor: ", "'nll' or 'accuracy'", "got 'loss'"]),
        ({"training": {"learning_rate": 0}}, ["FILE: training.learning_rate: ", "greater than 0", "got 0"]),
        ({"training": {"weight_decay": -1}}, ["FILE: training.weight_decay: ", "got -1"]),
        ({"initial": {"size": 0}}, ["FILE: initial.size: ", "greater than or equal to 1", "got 0"]),
        ({"targets": {"size": 0}}, ["FILE: targets.size: ", "greater than or equal to 1", "got 0"]),
        ({"targets": {"of": "train"}}, ["FILE: targets.of: ", "'pool', 'validation' or 'test'", "got 'train'"]),
        ({"targets": {"from": "pool"}}, ["FILE: targets.from: unknown key"]),
        ({"targets": 20}, ["FILE: targets: ", "got 20"]),
        ({"report": {"targets": []}}, ["FILE: report.targets: ", "at least 1", "got []"]),
        ({"report": {"targets": [0.9, 95]}}, ["FILE: report.targets[1]: ", "less than 1", "got 95"]),
        ({"report": {"target": [0.9]}}, ["FILE: report.target: unknown key"]),
        ({"matrix": 5}, ["FILE: matrix: ", "got 5"]),
        ({"matrix": {"batch_size": 5}}, ["FILE: matrix.batch_size: ", "list", "got 5"]),
        ({"exclude": {"acquisition": "bald"}}, ["FILE: exclude: ", "list"]),
        ({"overrides": [{"where": {"acquisition": "bald"}}]}, ["FILE: overrides[0].set: missing"]),
        ({"overrides": [{"where": {}, "set": {"seed": 1}}]}, ["FILE: overrides[0].where: ", "at least 1"]),
        ({"budget": 5}, ["FILE: budget: 5 is below initial.size, the 10 labels"]),
        ({"pool_subset": 4}, ["FILE: pool_subset: 4 is below batch_size 5"]),
        ({"device": "gpu"}, ["FILE: device: ", "auto", "cpu", "cuda", "got 'gpu'"]),
        ({"device": "cuda:1000"}, ["FILE: device: ", "got 'cuda:1000'"]),
    ],
    ids=str,
)
def test_a_wrong_key_or_value_is_reported_with_its_place(
    refused: Refused, changes: dict[str, Any], fragments: list[str]
) -> None:
    message = refused(**changes)
    assert message.startswith(fragments[0])
    assert all(fragment in message for fragment in fragments), message


@pytest.mark.parametrize("size", [0, -1])
@pytest.mark.parametrize("key", ["trials", "budget", "posterior_samples", "pool_subset", "threads"])
def test_a_size_below_1_is_rejected(refused: Refused, key: str, size: int) -> None:
    message = refused(**{key: size})
    assert message.startswith(f"FILE: {key}: ")
    assert message.endswith(f"1; got {size}")


def test_targets_of_an_empty_validation_set_are_rejected(refused: Refused) -> None:
    assert "targets.of: there is no validation set" in refused(
        matrix=acquiring("epig"), targets={"of": "validation"}, validation_size=0
    )
    assert "validation_size: " in refused(validation_size=-1)


def test_a_batch_size_of_0_is_reported_with_its_place_in_the_matrix(refused: Refused) -> None:
    assert refused(matrix=acquiring("bald", batch_sizes=(5, 0))).startswith("FILE: matrix.batch_size[1]: ")


@pytest.mark.parametrize(
    "key", list(map("training.{}".format, ("batch_size", "epoch_draws", "max_epochs", "patience")))
)
def test_a_training_size_of_0_is_rejected(refused: Refused, key: str) -> None:
    assert refused(training={key.split(".")[1]: 0}).startswith(f"FILE: {key}: ")


@pytest.mark.parametrize("patience", [[], [3, 0], "3", 1.5, [2, "x"], None, True])
def test_a_patience_that_is_not_a_count_or_list_of_counts_is_rejected(refused: Refused, patience: object) -> None:
    message = refused(training={"patience": patience})
    assert message.startswith("FILE: training.patience: need a whole number from 1, or a list of them; got ")


@pytest.mark.parametrize("name", ["../up", "a/b", "/etc/passwd", "a b", "", "a\n", ".", "ä", "a" * 101])
def test_a_name_that_is_not_plain_is_rejected(refused: Refused, name: str) -> None:
    message = refused(name=name)
    assert message.startswith("FILE: name: ")
    assert f"got {name!r}" in message


def test_a_name_may_have_letters_digits_underscores_and_hyphens(load: Loader) -> None:
    assert load(name="Table_1-b").name == "Table_1-b"


@pytest.mark.parametrize("name", ["README", "readme"])
def test_a_suite_cannot_have_the_name_of_the_leaderboard_index(refused: Refused, name: str) -> None:
    assert refused(name=name).startswith("FILE: name: ")


@pytest.mark.parametrize(
    ("acquisition", "fragments"),
    [
        (
            "sofmax",
            ["unknown acquisition function 'sofmax'; did you mean 'softmax'? Installed: badge, bald, "],
        ),
        ("zzz", ["unknown acquisition function 'zzz'. Installed: badge, bald, batch_epig_bald, batchbald, "]),
        (
            {"softmax": {"temperatur": 1}},
            ["softmax: unknown parameter 'temperatur'; did you mean 'temperature'?", "score"],
        ),
        ({"bald": {"x": 1}}, ["bald: unknown parameter 'x'", "takes no parameters"]),
        ({"softmax": {"score": "batchbald"}}, ["softmax.score: 'batchbald' is not a OneSampleScore", "bald, entropy"]),
        ({"softmax": {"score": {"softmax": None}}}, ["softmax.score: 'softmax' is not a OneSampleScore"]),
        (
            {"power": {"score": "entropi"}},
            ["power.score: unknown acquisition function 'entropi'; did you mean 'entropy'?"],
        ),
        ({"power": {"score": {"bald": {"x": 1}}}}, ["power.score: bald: unknown parameter 'x'"]),
        ({"batchbald": {"joint_samples": 0}}, ["batchbald: joint_samples is 0", "at least 1"]),
        ({"batchbald": {"joint_samples": "many"}}, ["batchbald.joint_samples: ", "integer", "got 'many'"]),
        (3, ["3 does not specify a plugin (acquisition function)"]),
        (None, ["None does not specify a plugin (acquisition function)"]),
        ({}, ["{} does not specify a plugin (acquisition function)"]),
        ({"bald": None, "uniform": None}, ["does not specify a plugin (acquisition function)"]),
        ({"softmax": 3}, ["does not specify a plugin (acquisition function)"]),
    ],
    ids=str,
)
def test_an_unusable_acquisition_function_is_reported_with_its_place(
    refused: Refused, acquisition: Any, fragments: list[str]
) -> None:
    message = refused(matrix=acquiring("uniform", "bald", acquisition))
    assert message.startswith("FILE: matrix.acquisition[2]: ")
    assert all(fragment in message for fragment in fragments), message


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("temperature", [0, -0.5, True, "hot", None])
def test_a_temperature_that_is_not_positive_and_finite_is_refused(
    refused: Refused, rule: str, temperature: Any
) -> None:
    message = refused(matrix=acquiring("uniform", {rule: {"temperature": temperature}}))
    assert message.startswith(f"FILE: matrix.acquisition[1]: {rule}")
    assert "temperature" in message


@pytest.mark.parametrize("temperature", [".inf", ".nan"])
def test_an_infinite_or_nan_temperature_is_rejected(refused: Refused, temperature: str) -> None:
    message = refused(f"matrix: {{acquisition: [{{softmax: {{temperature: {temperature}}}}}]}}")
    assert message.startswith("FILE: matrix.acquisition[0].softmax.temperature: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": "lenet"},
            "FILE: model: unknown model 'lenet'; did you mean 'lenet5'? Installed: digits_cnn, ensemble, lenet5",
        ),
        ({"dataset": "digit"}, "FILE: dataset: unknown data set 'digit'; did you mean 'digits'? Installed: arrays"),
        ({"dataset": "lenet5"}, "FILE: dataset: unknown data set 'lenet5'"),
        (
            {"dataset": {"repeated": {"of": "digts"}}},
            "FILE: dataset: repeated.of: unknown data set 'digts'; did you mean",
        ),
        ({"dataset": "repeated"}, "FILE: dataset: repeated.of: missing"),
        ({"dataset": {"repeated": {"of": "digits", "times": 0}}}, "FILE: dataset: repeated: times is 0"),
        ({"dataset": {"repeated": {"of": "digits", "noise_std": -1}}}, "FILE: dataset: repeated: noise_std is -1"),
        ({"model": {"digits_cnn": {"dropout": 1.0}}}, "FILE: model: digits_cnn: dropout is 1.0"),
        (
            {"model": {"digits_cnn": {"dropuot": 0.5}}},
            "FILE: model: digits_cnn: unknown parameter 'dropuot'; did you mean",
        ),
    ],
    ids=str,
)
def test_an_unusable_model_or_data_set_is_rejected(refused: Refused, changes: dict[str, Any], message: str) -> None:
    assert refused(**changes).startswith(message)


@pytest.mark.parametrize(
    ("changes", "place", "known"),
    [
        ({"training": {"patients": 3}}, "training.patients", "patience"),
        ({"initial": {"balance": True}}, "initial.balance", "balanced"),
        ({"report": {"target": [0.9]}}, "report.target", "targets"),
        ({"overrides": [{"where": {"seed": 0}, "set": {"seeds": 1}}]}, "overrides[0].set.seeds", "posterior_samples"),
    ],
    ids=str,
)
def test_an_unknown_nested_key_is_reported_with_the_known_keys(
    refused: Refused, changes: dict[str, Any], place: str, known: str
) -> None:
    message = refused(**changes)
    assert message.startswith(f"FILE: {place}: unknown key")
    assert known in message


@pytest.mark.parametrize("key", ["name", "matrix", "dataset", "budget", "device"])
def test_the_message_is_short_even_if_the_wrong_value_is_long(refused: Refused, key: str) -> None:
    for value in ("x" * 20_000, [0] * 10_000):
        message = refused(**{key: value})
        assert message.startswith(f"FILE: {key}: ")
        assert len(message) < 1000
        assert message.count("\n") <= 1
