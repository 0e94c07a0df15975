"""The suites in the repository have the settings of the paper's notes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from softal_bench.errors import SuiteError
from softal_bench.registry import acquisitions
from softal_bench.suite import Condition, CostSuite, Suite, load_cost_suite, load_suite
from softal_bench.trial.partition import num_rounds

SUITES = Path(__file__).parents[2] / "suites"


@pytest.fixture(scope="module")
def table_1() -> Suite:
    """Return the suite of Table 1 and Figure 1."""
    return load_suite(SUITES / "repeated_mnist.yaml")


def is_joint(condition: Condition) -> bool:
    return condition.acquisition.name in ("batchbald", "batch_epig_bald")


def test_table_1_runs_every_method_at_every_batch_size_except_batchbald_at_large_ones(table_1: Suite) -> None:
    cells: dict[str, list[int]] = {}
    for condition in table_1.conditions:
        cells.setdefault(condition.acquisition.label, []).append(condition.batch_size)
    every = [5, 10, 20, 50]
    assert cells == {
        "uniform": every,
        "entropy": every,
        "variation_ratios": every,
        "bald": every,
        "softmax(bald, T=0.125)": every,
        "power(bald, T=0.125)": every,
        "epig_bald": every,
        "power(epig_bald, T=0.125)": every,
        "batchbald(M=100000)": [5, 10],
        "batch_epig_bald(M=100000)": [5, 10],
    }


def test_table_1_draws_as_many_posterior_samples_as_the_paper(table_1: Suite) -> None:
    for condition in table_1.conditions:
        bald_at_50 = condition.acquisition.label in ("bald", "epig_bald") and condition.batch_size == 50
        expected = 100 if is_joint(condition) else 50 if bald_at_50 else 20
        assert condition.posterior_samples == expected, condition.acquisition.label


def test_batchbald_samples_as_many_label_configurations_as_the_paper(table_1: Suite) -> None:
    samples = [c.acquisition.parameters for c in table_1.conditions if is_joint(c)]
    assert samples == [{"joint_samples": 100_000}] * 4


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dataset", "repeated(mnist, times=2, noise_std=0.1)"),
        ("model", "lenet5"),
        ("validation_size", 4096),
        ("initial.size", 20),
        ("initial.balanced", False),
        ("budget", 300),
        ("pool_subset", None),
        ("training.batch_size", 64),
        ("training.epoch_draws", 384 * 64),
        ("training.max_epochs", 10),
        ("training.patience", 3),
        ("training.monitor", "nll"),
        ("training.learning_rate", 1e-3),
        ("training.weight_decay", 5e-4),
        ("training.evaluation_samples", 4),
        ("training.evaluation_mean", "geometric"),
    ],
)
def test_table_1_has_the_paper_s_regime(table_1: Suite, key: str, value: object) -> None:
    assert {condition.value(key) for condition in table_1.conditions} == {value}


def test_table_1_s_network_drops_half_of_its_units(table_1: Suite) -> None:
    assert table_1.conditions[0].model.parameters == {"dropout": 0.5}


def test_table_1_has_five_trials_and_targets_90_and_95_per_cent(table_1: Suite) -> None:
    assert (table_1.trials, table_1.report.targets) == (5, [0.9, 0.95])


@pytest.mark.parametrize(("batch_size", "rounds"), [(5, 57), (10, 29), (20, 15), (50, 7)])
def test_table_1_s_trials_end_at_300_or_320_labels(table_1: Suite, batch_size: int, rounds: int) -> None:
    # 20 labels at the start; one training before each acquisition and one after the last.
    found = {num_rounds(c) for c in table_1.conditions if c.batch_size == batch_size}
    assert found == {rounds}


@pytest.mark.parametrize(
    ("only", "count"),
    [
        (("batch_size=50", "acquisition=bald"), 1),
        (("acquisition=power(bald, T=0.125)",), 4),
        (("acquisition=power",), 8),
        (("acquisition=batchbald",), 2),
    ],
)
def test_table_1_can_be_run_in_slices(only: tuple[str, ...], count: int) -> None:
    suite = load_suite(SUITES / "repeated_mnist.yaml", ["training.epoch_draws=5056", "pool_subset=20000"], only, 1)
    assert len(suite.conditions) == count
    assert suite.trials == 1
    for key, value in {"training.epoch_draws": 5056, "pool_subset": 20000}.items():
        assert {condition.value(key) for condition in suite.conditions} == {value}


def test_the_quickstart_compares_five_methods_at_two_batch_sizes_on_repeated_digits() -> None:
    suite = load_suite(SUITES / "quickstart.yaml")
    labels = ["uniform", "bald", "softmax(bald, T=0.125)", "power(bald, T=0.125)"]
    for batch_size in (5, 10):
        found = [c.acquisition for c in suite.conditions if c.batch_size == batch_size]
        assert [plugin.label for plugin in found[:4]] == labels
        assert [plugin.name for plugin in found[4:]] == ["batchbald"]
    assert suite.trials == 3
    shared: dict[str, Callable[[Condition], object]] = {
        "repeated(digits, times=2, noise_std=0.1)": lambda condition: condition.dataset.label,
        "digits_cnn": lambda condition: condition.model.name,
        "20": lambda condition: str(condition.initial.size),
        "120": lambda condition: str(condition.budget),
        "1": lambda condition: str(condition.threads),
    }
    for value, of in shared.items():
        assert {of(condition) for condition in suite.conditions} == {value}


PEERS = {"redux_bald", "redux_batchbald", "baal_bald", "baal_batchbald", "baal_power", "baal_softmax", "baal_softrank"}


def test_the_suite_of_peers_reports_peers_that_are_not_installed() -> None:
    if set(acquisitions.names()) >= PEERS:
        pytest.skip("softal-bench-peers is installed")
    with pytest.raises(SuiteError, match=r"matrix\.acquisition\[1\]: unknown acquisition function 'redux_bald'"):
        load_cost_suite(SUITES / "peers.yaml")
    assert "make .venv-peers/installed" in (SUITES / "peers.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def peers() -> CostSuite:
    """Return the suite of peers, or skip the test if they are not installed."""
    if not set(acquisitions.names()) >= PEERS:
        pytest.skip("softal-bench-peers is not installed; `make test-peers` runs this test with it")
    return load_cost_suite(SUITES / "peers.yaml")


def test_the_suite_of_peers_has_all_peers_and_our_own(peers: CostSuite) -> None:
    ours = {"bald", "batchbald", "softmax", "power", "softrank"}
    assert {condition.acquisition.name for condition in peers.conditions} == PEERS | ours


def test_the_suite_of_peers_requests_agreement_only_of_methods_that_search(
    peers: CostSuite,
) -> None:
    for group in peers.report.same_batch:
        assert group[0].startswith(("bald", "batchbald"))
        assert all("bald" in name for name in group)


def test_the_temperature_suite_goes_from_the_top_b_to_uniform() -> None:
    suite = load_suite(SUITES / "temperature.yaml")
    temperatures = [2.0**power for power in range(-8, 5)]
    for batch_size in (5, 10):
        found = [c.acquisition for c in suite.conditions if c.batch_size == batch_size]
        assert [plugin.label for plugin in found[:2]] == ["uniform", "bald"]
        for rule in ("softmax", "power", "softrank"):
            assert [p.parameters["temperature"] for p in found if p.name == rule] == temperatures
    assert suite.report.against == "temperature"


@pytest.mark.parametrize("name", ["dataset", "model", "training", "validation_size", "initial", "budget", "threads"])
def test_the_temperature_suite_has_the_regime_of_table_1(table_1: Suite, name: str) -> None:
    suite = load_suite(SUITES / "temperature.yaml", settings=["training.evaluation_samples=4"])
    found, expected = ({str(c.value(name)) for c in each.conditions} for each in (suite, table_1))
    assert found == {text.replace("validation_samples=None", "validation_samples=4") for text in expected}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("validation.before_repetition", True),
        ("initial.balanced", True),
        ("initial.fixed", True),
        ("training.epoch_draws", 1024),
        ("training.max_epochs", 300),
        ("training.patience", 20),
        ("training.monitor", "accuracy"),
        ("training.evaluation_samples", 20),
        ("training.evaluation_mean", "arithmetic"),
        ("posterior_samples", 100),
    ],
)
def test_the_journal_suite_has_the_journal_version_s_regime(key: str, value: object) -> None:
    suite = load_suite(SUITES / "repeated_mnist_journal.yaml")
    assert {condition.value(key) for condition in suite.conditions} == {value}


def test_the_journal_suite_has_four_scores_under_three_rules_with_one_two_and_four_repetitions() -> None:
    suite = load_suite(SUITES / "repeated_mnist_journal.yaml")
    datasets = ["mnist", "repeated(mnist, times=2, noise_std=0.1)", "repeated(mnist, times=4, noise_std=0.1)"]
    assert list(dict.fromkeys(c.dataset.label for c in suite.conditions)) == datasets
    labels = {c.acquisition.label for c in suite.conditions}
    for score in ("bald", "entropy", "variation_ratios", "margin"):
        assert score in labels
        for rule in ("softmax", "power", "softrank"):
            assert {f"{rule}({score}, T={t})" for t in ("0.0625", "0.125", "0.25", "1", "4")} <= labels


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "resnet18"),
        ("dataset", "cifar10"),
        ("validation_size", 5000),
        ("validation.stratified", True),
        ("validation.fixed", True),
        ("initial.size", 5000),
        ("initial.balanced", True),
        ("initial.fixed", True),
        ("budget", 20_000),
        ("batch_size", 2500),
        ("posterior_samples", 100),
        ("training.batch_size", 128),
        ("training.epoch_draws", 39 * 128),
        ("training.max_epochs", 120),
        ("training.patience", [6, 4, 2]),
        ("training.augmentation", "crop_and_flip"),
    ],
)
def test_the_cifar10_suite_has_the_paper_s_regime(key: str, value: object) -> None:
    suite = load_suite(SUITES / "cifar10.yaml")
    assert all(condition.value(key) == value for condition in suite.conditions)
    assert suite.trials == 30


def test_the_cifar10_suite_has_the_rows_of_figures_2_and_3() -> None:
    suite = load_suite(SUITES / "cifar10.yaml")
    inverse = [
        round(1 / c.acquisition.parameters["temperature"]) for c in suite.conditions if c.acquisition.name == "power"
    ]
    assert inverse == [5, 10, 15]
    assert {"uniform", "bald", "softmax"} <= {c.acquisition.name for c in suite.conditions}
