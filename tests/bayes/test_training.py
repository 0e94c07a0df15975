"""Training from scratch: the order of examples, a step of Adam by hand, the best epoch, early stopping, randomness."""

import contextlib
import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from softal_plugins.models.lenet5 import LeNet5
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.mc_dropout import FittedMCDropout, MCDropout
from softal_bench.bayes.training import (
    accuracy_and_nll,
    epoch_order,
    evaluation_log_probs,
    fit_mc_dropout,
    make_optimiser,
    training_step,
)
from softal_bench.contracts import Examples, FittedModel, Posterior, TrainingRegime
from softal_bench.errors import NumericalError
from softal_bench.seeding import seeded_global_rng

CPU = torch.device("cpu")
Build = Callable[[], nn.Sequential]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), MCDropout(16, 0.3), nn.Linear(16, 3), nn.LogSoftmax(dim=-1))


def examples(count: int, seed: int) -> Examples:
    """Return examples of three classes that are nearly linearly separable."""
    inputs = torch.randn(count, 6, generator=seeded(seed))
    return Examples(inputs, inputs[:, :3].argmax(dim=1), 3)


def with_wrong_labels(right: Examples) -> Examples:
    return Examples(right.inputs, (right.labels + 1) % 3, 3)


def regime(**changes: object) -> TrainingRegime:
    return TrainingRegime.model_validate(
        {"batch_size": 8, "epoch_draws": 64, "max_epochs": 6, "learning_rate": 0.02} | changes
    )


def fit(training: TrainingRegime, validation: Examples, seed: int = 0, network: Build = build) -> FittedMCDropout:
    return fit_mc_dropout(network, examples(30, 0), validation, training, CPU, seeded(seed))


def result_on(fitted: FittedModel, unseen: Examples, num_samples: int) -> tuple[float, float]:
    """Return accuracy and NLL on unseen examples."""
    log_probs_n_C = evaluation_log_probs(fitted, unseen.inputs, num_samples, regime(), seeded(0))
    return accuracy_and_nll(log_probs_n_C, unseen.labels)


def weights_of(fitted: FittedMCDropout) -> Tensor:
    return torch.cat([parameter.detach().flatten().cpu() for parameter in fitted.network.parameters()])


class UsualLeNet5(nn.Module):
    """The paper's network in its usual form: dropout before pooling and ReLU, images in the default layout."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(weight.detach().clone().contiguous()) for weight in weights])

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = functional.dropout2d(functional.conv2d(inputs, self.weights[0], self.weights[1]))
        hidden = functional.relu(functional.max_pool2d(hidden, 2))
        hidden = functional.dropout2d(functional.conv2d(hidden, self.weights[2], self.weights[3]))
        hidden = functional.relu(functional.max_pool2d(hidden, 2)).flatten(1)
        hidden = functional.relu(functional.dropout(functional.linear(hidden, self.weights[4], self.weights[5])))
        return functional.log_softmax(functional.linear(hidden, self.weights[6], self.weights[7]), dim=1)


def test_a_training_step_matches_the_usual_network_with_the_same_masks() -> None:
    training = TrainingRegime(learning_rate=1e-3, weight_decay=5e-4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = LeNet5().network(10).train()
        usual = UsualLeNet5(list(network.parameters()))
        inputs, labels = torch.randn(64, 1, 28, 28), torch.randint(10, (64,))
        optimiser = make_optimiser(network, training)
        usual_optimiser = torch.optim.Adam(usual.parameters(), lr=1e-3, weight_decay=5e-4)
        for step in range(3):
            torch.manual_seed(step)  # both draw the masks of images, then of features, in the same order
            usual_optimiser.zero_grad()
            expected = functional.nll_loss(usual(inputs), labels)
            expected.backward()  # type: ignore[no-untyped-call]
            usual_optimiser.step()
            torch.manual_seed(step)
            loss = training_step(network, optimiser, inputs, labels)
            assert not loss.requires_grad
            assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
            for ours, theirs in zip(network.parameters(), usual.parameters(), strict=True):
                assert ours.grad is not None
                assert theirs.grad is not None
                assert (ours.grad - theirs.grad).abs().max() <= 1e-5 * theirs.grad.abs().max()
                with torch.no_grad():
                    theirs.copy_(ours)  # Adam's first steps amplify rounding in gradients near 0


def test_training_steps_lower_the_loss() -> None:
    batch, (network, training) = examples(30, 0), (build().train(), regime())
    optimiser = make_optimiser(network, training)
    with seeded_global_rng(seeded(0), CPU):
        losses = [training_step(network, optimiser, batch.inputs, batch.labels).item() for _ in range(100)]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


class CountingReLU(nn.ReLU):
    """A ReLU that counts the training batches."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.steps += self.training
        return super().forward(inputs)


def counted(counter: CountingReLU) -> Build:
    return lambda: nn.Sequential(nn.Linear(6, 16), counter, MCDropout(16), nn.Linear(16, 3), nn.LogSoftmax(dim=-1))


class StoredModel(FittedModel):
    """Predicts the same stored log-probs under every posterior, and counts the inputs of each."""

    def __init__(self, log_probs_N_K_C: Tensor, stochastic_posterior: bool = True) -> None:
        self._log_probs_N_K_C = log_probs_N_K_C
        self.stochastic_posterior = stochastic_posterior
        self.drawn: list[StoredPosterior] = []

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        self.drawn.append(StoredPosterior(self._log_probs_N_K_C[:, :num_samples]))
        return self.drawn[-1]


class StoredPosterior(Posterior):
    """Log-probs by input, where input i is [i]."""

    def __init__(self, log_probs_N_K_C: Tensor) -> None:
        self._log_probs_N_K_C = log_probs_N_K_C
        self.inputs = 0

    @property
    def num_samples(self) -> int:
        return self._log_probs_N_K_C.shape[1]

    def log_probs(self, inputs: Tensor) -> Tensor:
        self.inputs += len(inputs)
        return self._log_probs_N_K_C[inputs[:, 0].long()]


def test_the_defaults_match_table_1() -> None:
    assert TrainingRegime().model_dump() == {
        "batch_size": 64,
        "epoch_draws": 24_576,
        "max_epochs": 10,
        "patience": 3,
        "monitor": "nll",
        "learning_rate": 1e-3,
        "weight_decay": 5e-4,
        "evaluation_samples": None,
        "validation_samples": None,
        "evaluation_batch_size": None,
        "evaluation_mean": "geometric",
        "learning_rate_decay": None,
        "augmentation": None,
    }


@given(size=st.integers(1, 60), draws=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_an_epoch_draws_each_example_nearly_equally_often(size: int, draws: int, seed: int) -> None:
    drawn = epoch_order(size, draws, seeded(seed)).tolist()
    counts = Counter(drawn)
    times = [counts[index] for index in range(size)]
    assert len(drawn) == sum(times) == draws
    assert max(times) - min(times) <= 1


def test_each_epoch_draws_its_repeated_examples_and_its_order_anew() -> None:
    generator = seeded(0)
    orders = [epoch_order(10, 13, generator) for _ in range(300)]
    once_more = Counter(index for order in orders for index, times in Counter(order.tolist()).items() if times == 2)
    assert min(once_more[index] for index in range(10)) > 60  # 90 expected of each
    first = Counter(int(order[0]) for order in orders)
    assert min(first[index] for index in range(10)) > 10  # 30 expected of each
    assert torch.equal(epoch_order(10, 13, seeded(5)), epoch_order(10, 13, seeded(5)))


def test_a_step_is_adam_with_weight_decay_added_to_the_gradient() -> None:
    built: list[nn.Sequential] = []

    def build_undropped() -> nn.Sequential:
        network = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), MCDropout(4, 0.0), nn.Linear(4, 3), nn.LogSoftmax(dim=-1))
        built.append(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double())
        built[0][0].load_state_dict(network[0].state_dict())
        built[0][2].load_state_dict(network[3].state_dict())
        return network

    labelled = examples(30, 0)
    training = regime(batch_size=30, epoch_draws=30, max_epochs=1, weight_decay=0.3)
    fitted = fit_mc_dropout(build_undropped, labelled, examples(10, 1), training, CPU, seeded(0))

    loss = nn.functional.cross_entropy(built[0](labelled.inputs.double()), labelled.labels)
    loss.backward()  # type: ignore[no-untyped-call]
    expected = []
    for parameter in built[0].parameters():
        assert parameter.grad is not None
        gradient = parameter.grad + 0.3 * parameter.detach()
        expected.append((parameter.detach() - 0.02 * gradient / (gradient.abs() + 1e-8)).flatten())
    torch.testing.assert_close(weights_of(fitted).double(), torch.cat(expected), atol=1e-5, rtol=1e-4)


def test_an_epoch_has_one_step_for_each_batch_of_its_draws() -> None:
    counter = CountingReLU()
    fit(regime(max_epochs=1, epoch_draws=60, batch_size=8), examples(10, 1), network=counted(counter))
    assert counter.steps == 8  # seven of 8 and one of 4


def test_the_best_epoch_is_restored_if_the_validation_result_gets_worse() -> None:
    worse_and_worse = with_wrong_labels(examples(40, 1))
    stopped_late = fit(regime(max_epochs=6, patience=6), worse_and_worse)
    stopped_at_once = fit(regime(max_epochs=1), worse_and_worse)
    assert torch.equal(weights_of(stopped_late), weights_of(stopped_at_once))


def test_the_last_epoch_is_kept_if_it_is_the_best() -> None:
    better_and_better = examples(300, 1)
    one, all_of_them = (fit(regime(max_epochs=epochs, learning_rate=0.003), better_and_better) for epochs in (1, 4))
    nlls = [result_on(fitted, better_and_better, 50)[1] for fitted in (one, all_of_them)]
    assert nlls[1] < nlls[0] - 0.05


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (2, 3), (3, 4), (20, 6)])
def test_training_stops_after_patience_epochs_without_a_better_one(patience: int, epochs: int) -> None:
    counter = CountingReLU()
    fit(regime(patience=patience), with_wrong_labels(examples(40, 1)), network=counted(counter))
    assert counter.steps == epochs * 8


def test_an_epoch_that_equals_the_best_is_not_better() -> None:
    # One validation example that is always classified correctly: its accuracy is 1 from the first epoch on.
    easy = Examples(torch.tensor([[9.0, 0, 0, 0, 0, 0]]), torch.tensor([0]), 3)
    labelled_alike = Examples(easy.inputs.repeat(20, 1), easy.labels.repeat(20), 3)
    trained = [
        fit_mc_dropout(
            build, labelled_alike, easy, regime(monitor="accuracy", max_epochs=epochs, patience=2), CPU, seeded(0)
        )
        for epochs in (1, 5)
    ]
    assert torch.equal(weights_of(trained[0]), weights_of(trained[1]))


def test_accuracy_and_nll_can_pick_different_epochs() -> None:
    validation = Examples(*_right_but_once(examples(40, 1)), 3)
    by_nll = fit(regime(patience=6), validation)
    by_accuracy = fit(regime(patience=6, monitor="accuracy"), validation)
    assert not torch.equal(weights_of(by_nll), weights_of(by_accuracy))


def _right_but_once(right: Examples) -> tuple[Tensor, Tensor]:
    """Add a wrong label of which the network grows ever surer: the NLL grows steadily, the accuracy falls once."""
    outlier = torch.tensor([[40.0, 0, 0, 0, 0, 0]])
    return torch.cat([right.inputs, outlier]), torch.cat([right.labels, torch.tensor([1])])


def test_training_that_diverges_to_nan_raises_an_error() -> None:
    with pytest.raises(NumericalError):
        fit(regime(learning_rate=1e38), examples(20, 1))


def test_the_generator_state_determines_the_weights() -> None:
    first, same, other = (weights_of(fit(regime(), examples(20, 1), seed)) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_global_generators_are_neither_used_nor_changed() -> None:
    weights = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)  # each test starts from a seed of its own: see conftest.py
        before = oracles.global_generators()
        weights.append(weights_of(fit(regime(), examples(20, 1))))
        assert oracles.global_generators() == before
    assert torch.equal(weights[0], weights[1])


def test_the_global_generator_is_restored_after_an_error() -> None:
    before = torch.get_rng_state()
    with contextlib.suppress(ZeroDivisionError), seeded_global_rng(seeded(0), CPU):
        torch.rand(3)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("trained_on", ["cpu", "cuda"])
def test_training_leaves_the_cuda_generator_unchanged(trained_on: str) -> None:
    before = torch.cuda.get_rng_state()
    fit_mc_dropout(build, examples(30, 0), examples(10, 1), regime(max_epochs=1), torch.device(trained_on), seeded(0))
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_fitted_network_is_on_the_device_and_accurate(device: torch.device) -> None:
    training = regime(epoch_draws=640)
    fitted = fit_mc_dropout(build, examples(200, 0), examples(50, 1), training, device, seeded(0))
    unseen = examples(200, 2).to(device)
    accuracy, nll = result_on(fitted, unseen, 10)
    assert all(parameter.device.type == device.type for parameter in fitted.network.parameters())
    assert accuracy > 0.85
    assert nll < 0.5


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_the_evaluation_prediction_is_the_mean_of_the_samples(mean: str, device: torch.device) -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 700, 4, 3)  # more points than one chunk holds
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    expected = np.log(probs_N_K_C).mean(axis=1) if mean == "geometric" else np.log(probs_N_K_C.mean(axis=1))
    inputs = torch.arange(700).unsqueeze(1).to(device)
    stored = StoredModel(log_probs_N_K_C.to(device))
    result = evaluation_log_probs(stored, inputs, 4, regime(evaluation_mean=mean), seeded(0))
    assert [posterior.inputs for posterior in stored.drawn] == [700]
    assert result.device.type == device.type
    assert result.cpu().numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_accuracy_and_nll_measure_the_evaluation_prediction(mean: str) -> None:
    log_probs_N_K_C = oracles.random_log_probs(1, 50, 4, 3)
    labels = torch.randint(3, (50,), generator=seeded(0))
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    predicted = np.exp(np.log(probs_N_K_C).mean(axis=1)) if mean == "geometric" else probs_N_K_C.mean(axis=1)
    right = [int(np.argmax(row)) == label for row, label in zip(predicted, labels.tolist(), strict=True)]
    nll = -math.fsum(math.log(row[label]) for row, label in zip(predicted, labels.tolist(), strict=True)) / 50

    inputs = torch.arange(50, dtype=torch.float32).unsqueeze(1)
    log_probs_n_C = evaluation_log_probs(
        StoredModel(log_probs_N_K_C), inputs, 4, regime(evaluation_mean=mean), seeded(0)
    )
    measured = accuracy_and_nll(log_probs_n_C, labels)

    assert measured == pytest.approx((sum(right) / 50, nll), abs=1e-6)


def test_each_evaluation_batch_draws_new_posterior_samples() -> None:
    log_probs_N_K_C, inputs = oracles.random_log_probs(0, 150, 4, 3), torch.arange(150).unsqueeze(1)
    stored = StoredModel(log_probs_N_K_C)
    in_batches = evaluation_log_probs(stored, inputs, 4, regime(evaluation_batch_size=64), seeded(0))
    assert [(posterior.num_samples, posterior.inputs) for posterior in stored.drawn] == [(4, 64), (4, 64), (4, 22)]
    assert torch.equal(in_batches, evaluation_log_probs(stored, inputs, 4, regime(), seeded(0)))


def test_a_deterministic_posterior_is_drawn_once() -> None:
    stored = StoredModel(oracles.random_log_probs(0, 150, 4, 3), stochastic_posterior=False)
    evaluation_log_probs(stored, torch.arange(150).unsqueeze(1), 4, regime(evaluation_batch_size=64), seeded(0))
    assert [posterior.inputs for posterior in stored.drawn] == [150]


def test_all_random_numbers_of_training_come_from_the_generator() -> None:
    # Masks and order come from the generator. The training is repeated by hand, with masks drawn as in an epoch.
    training, labelled = regime(max_epochs=1), examples(30, 0)
    fitted = fit(training, examples(10, 1))
    generator = seeded(0)
    with seeded_global_rng(generator, CPU):
        network = build().train()
    torch.randint(2**63 - 1, (), generator=generator)  # the seed of validation
    order = epoch_order(30, 64, generator)
    kept_64_16 = torch.empty(64, 16, dtype=torch.bool).bernoulli_(0.7, generator=generator)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02, weight_decay=5e-4)
    for start in range(0, 64, 8):
        batch = order[start : start + 8]
        hidden = network[0](labelled.inputs[batch]).relu() * kept_64_16[start : start + 8] / 0.7
        optimiser.zero_grad()
        functional.nll_loss(network[3](hidden).log_softmax(dim=1), labelled.labels[batch]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    by_hand = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    torch.testing.assert_close(weights_of(fitted), by_hand, atol=1e-5, rtol=1e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_training_on_cuda_uses_the_same_masks_and_order_as_on_the_cpu() -> None:
    on_cpu, on_cuda = (
        fit_mc_dropout(build, examples(30, 0), examples(10, 1), regime(max_epochs=2), torch.device(name), seeded(0))
        for name in ("cpu", "cuda")
    )
    torch.testing.assert_close(weights_of(on_cuda), weights_of(on_cpu), atol=1e-3, rtol=1e-3)


def test_without_a_validation_set_all_epochs_are_run_and_the_last_is_kept() -> None:
    nothing = examples(30, 0).at(torch.arange(0))
    training = regime(max_epochs=4, patience=1)
    fitted = fit_mc_dropout(build, examples(30, 0), nothing, training, CPU, seeded(0))
    assert (fitted.epochs, fitted.best_epoch) == (4, 4)
    fewer = fit_mc_dropout(build, examples(30, 0), nothing, regime(max_epochs=3, patience=1), CPU, seeded(0))
    pairs = zip(fitted.network.parameters(), fewer.network.parameters(), strict=True)
    assert all(not torch.equal(last, before) for last, before in pairs)
