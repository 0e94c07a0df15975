"""Built-in models and data sets keep every rule, and each rule catches a plugin that breaks only this rule."""

from pathlib import Path

import pytest
import torch
from conftest import needs_cuda

from softal_bench.conformance import check_dataset, check_plugin, checks_of, rules_of
from softal_bench.contracts import BayesianModel, Dataset
from softal_bench.registry import datasets, models

from .planted_datasets import Made
from .planted_models import NearestMean

MODEL_RULES = [rule.name for rule in rules_of(BayesianModel)]
DATASET_RULES = [rule.name for rule in rules_of(Dataset)]


def broken_by(plugin: object) -> list[str]:
    """The rules that the plugin breaks, each checked separately."""
    names = [check.name for check in checks_of(plugin)]
    results = [next(check for check in checks_of(plugin) if check.name == name).result() for name in names]
    return [result.name for result in results if result.failed]


@pytest.mark.parametrize("name", models.names())
def test_built_in_models_keep_every_rule(name: str, tmp_path: Path) -> None:
    results = check_plugin(models, name, tmp_path)
    assert [result.name for result in results] == MODEL_RULES
    assert [str(result) for result in results if result.status != "passed"] == []


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("name", ["ensemble", "lenet5", "mlp"])
def test_built_in_models_keep_every_rule_on_a_gpu(name: str, tmp_path: Path) -> None:
    results = check_plugin(models, name, tmp_path, torch.device("cuda", 0))
    assert [result.name for result in results] == MODEL_RULES
    assert [str(result) for result in results if result.status != "passed"] == []


@pytest.mark.parametrize("rule", MODEL_RULES)
def test_a_model_that_breaks_one_rule_fails_only_this_rule(rule: str) -> None:
    assert broken_by(NearestMean(rule)) == [rule]


@pytest.mark.parametrize("how", ["", "snapshots", "images only"])
def test_a_model_that_keeps_the_rules_breaks_none(how: str) -> None:
    assert broken_by(NearestMean(how)) == []


def test_a_model_that_accepts_no_shape_breaks_every_rule() -> None:
    assert broken_by(NearestMean("nothing")) == MODEL_RULES


@pytest.mark.parametrize("rule", DATASET_RULES)
def test_a_data_set_that_breaks_one_rule_fails_only_this_rule(rule: str) -> None:
    assert broken_by(Made(rule)) == [rule]


def test_a_data_set_that_keeps_the_rules_breaks_none(tmp_path: Path) -> None:
    assert {result.status for result in check_dataset(Made(), tmp_path)} == {"passed"}


@pytest.mark.parametrize("name", ["digits", "repeated", "imbalanced", "label_noise"])
def test_data_sets_without_files_keep_every_rule(name: str, tmp_path: Path) -> None:
    results = check_plugin(datasets, name, tmp_path)
    assert [result.name for result in results] == DATASET_RULES
    assert [str(result) for result in results if result.failed] == []


@pytest.mark.mnist
def test_mnist_keeps_every_rule(softal_data: Path) -> None:
    assert [str(result) for result in check_plugin(datasets, "mnist", softal_data) if result.failed] == []


def test_a_plugin_that_cannot_be_checked_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (missing,) = check_plugin(datasets, "mnist", tmp_path)
    assert (missing.status, "train-images-idx3-ubyte" in missing.detail) == ("skipped", True)
