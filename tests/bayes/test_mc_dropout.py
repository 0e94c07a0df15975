"""Consistent masks: all evaluations agree with K masks applied explicitly through torch.nn.functional."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from softal_plugins.models.digits_cnn import DigitsCNN
from softal_plugins.models.lenet5 import LeNet5
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.mc_dropout import (
    CombinedPosterior,
    FittedMCDropout,
    Masks,
    MCDropout,
    PlainPosterior,
    ThinnedPosterior,
    can_be_combined,
    combination,
    draw_masks,
    flops_per_input,
    log_probs_plain,
    posterior_of,
    structure_of,
)
from softal_bench.contracts import Posterior


def assert_equal_to_rounding(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


def assert_equal_to_1e_5_of_the_largest_logit(actual: Tensor, expected: Tensor) -> None:
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max()


def evaluations(network: nn.Sequential, masks: Masks) -> list[Posterior]:
    """Return every evaluation that supports the network."""
    structure = structure_of(network)
    if structure is None:
        return [PlainPosterior(network, masks)]
    combined = [CombinedPosterior(structure, masks)] if can_be_combined(structure) else []
    return [PlainPosterior(network, masks), ThinnedPosterior(structure, masks), *combined]


def distinct_rows(tensor: Tensor) -> int:
    return len({tuple(row) for row in tensor.tolist()})


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed the global generator, from which initial weights are drawn, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def lenet5(dropout: float = 0.5, seed: int = 0) -> nn.Sequential:
    with global_seed(seed):
        return LeNet5(dropout).network(10)


def digits_cnn(dropout: float = 0.5, seed: int = 0) -> nn.Sequential:
    with global_seed(seed):
        return DigitsCNN(dropout).network(10)


def images(size: int, count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 1, size, size, generator=seeded(seed))


def masked(network: nn.Sequential, masks: Masks, inputs: Tensor) -> Tensor:
    """Return log_probs_n_K_C by definition: for each k, apply all layers in order; dropout multiplies by a mask."""
    samples = []
    for k in range(len(masks[0])):
        hidden, remaining = inputs, iter(masks)
        for layer in network:
            if isinstance(layer, MCDropout):
                mask_F = next(remaining)[k]
                hidden = hidden * mask_F.reshape(1, -1, *[1] * (hidden.ndim - 2))
            else:
                hidden = layer(hidden)
        samples.append(hidden)
    return torch.stack(samples, dim=1).detach()


def paper_lenet5(network: nn.Sequential, masks: Masks, k: int, inputs: Tensor) -> Tensor:
    """Return the prediction of the paper's LeNet-5 in its order: convolution or linear, dropout, max-pooling, ReLU."""
    weights = list(network.parameters())
    hidden = functional.conv2d(inputs, weights[0], weights[1])
    hidden = functional.relu(functional.max_pool2d(hidden * masks[0][k].view(1, 32, 1, 1), 2))
    hidden = functional.conv2d(hidden, weights[2], weights[3])
    hidden = functional.relu(functional.max_pool2d(hidden * masks[1][k].view(1, 64, 1, 1), 2))
    hidden = functional.linear(hidden.flatten(1), weights[4], weights[5])
    hidden = functional.relu(hidden * masks[2][k])
    return functional.log_softmax(functional.linear(hidden, weights[6], weights[7]), dim=1).detach()


def test_lenet5_has_the_layers_and_parameters_of_the_paper() -> None:
    shapes = [tuple(parameter.shape) for parameter in lenet5().parameters()]
    assert shapes == [(32, 1, 5, 5), (32,), (64, 32, 5, 5), (64,), (128, 1024), (128,), (10, 128), (10,)]
    assert sum(math.prod(shape) for shape in shapes) == 832 + 51_264 + 131_200 + 1_290
    assert [layer.features for layer in lenet5() if isinstance(layer, MCDropout)] == [32, 64, 128]
    assert [layer.p for layer in lenet5() if isinstance(layer, MCDropout)] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("dropout", [0.5, 0.97])
def test_lenet5_matches_the_papers_order_of_layers_for_the_same_masks(dropout: float, device: torch.device) -> None:
    network, inputs = lenet5(dropout).to(device), images(28, 6).to(device)
    masks = draw_masks(network, 5, seeded(1))
    log_probs_n_K_C = FittedMCDropout(network).posterior(5, seeded(1)).log_probs(inputs)
    for k in range(5):
        assert_equal_to_rounding(log_probs_n_K_C[:, k], paper_lenet5(network, masks, k, inputs))


@pytest.mark.parametrize("num_samples", [1, 8, 40])
@pytest.mark.parametrize("dropout", [0.01, 0.5, 0.97])
def test_all_evaluations_of_built_in_models_agree_to_1e_5_of_the_largest_logit(
    dropout: float, num_samples: int, device: torch.device
) -> None:
    for network, inputs in [
        (lenet5(dropout), images(28, 4).to(device)),
        (digits_cnn(dropout), images(8, 4).to(device)),
    ]:
        network.to(device).eval()
        masks = draw_masks(network, num_samples, seeded(2))
        expected = masked(network, masks, inputs)
        posteriors = evaluations(network, masks)
        assert [type(posterior) for posterior in posteriors] == [PlainPosterior, ThinnedPosterior, CombinedPosterior]
        assert_equal_to_1e_5_of_the_largest_logit(log_probs_plain(network, masks, inputs), expected)
        for posterior in posteriors:
            assert posterior.num_samples == num_samples
            assert posterior.log_probs(inputs).shape == (4, num_samples, 10)
            assert_equal_to_1e_5_of_the_largest_logit(posterior.log_probs(inputs), expected)


def test_a_double_precision_network_is_evaluated_in_double_precision() -> None:
    network, inputs = lenet5().double(), images(28, 3).double()
    masks = draw_masks(network, 5, seeded(0))
    expected = masked(network, masks, inputs)
    for posterior in evaluations(network, masks):
        torch.testing.assert_close(posterior.log_probs(inputs), expected, atol=1e-12, rtol=1e-12)


def test_a_mask_that_drops_every_channel_leaves_the_biases_of_the_next_layer() -> None:
    network = digits_cnn(0.5)
    last = network[5]
    assert isinstance(last, nn.Linear)
    expected = last.bias.detach().log_softmax(dim=0).expand(3, 10)
    for posterior in evaluations(network, [torch.zeros(1, 32)]):
        torch.testing.assert_close(posterior.log_probs(images(8, 3))[:, 0], expected)


@pytest.mark.parametrize("dropped", [0, 1, 2])
def test_a_mask_that_drops_a_whole_layer_is_evaluated_with_others(dropped: int) -> None:
    network, inputs = lenet5(), images(28, 3)
    masks = draw_masks(network, 4, seeded(0))
    masks[dropped][2] = 0
    for posterior in evaluations(network, masks):
        assert_equal_to_1e_5_of_the_largest_logit(posterior.log_probs(inputs), masked(network, masks, inputs))


@pytest.mark.parametrize("table_bytes", [1, 2**19, 2**22])
def test_the_memory_budget_does_not_change_log_probs(monkeypatch: pytest.MonkeyPatch, table_bytes: int) -> None:
    network, inputs = lenet5(), images(28, 21)
    masks = draw_masks(network, 7, seeded(0))
    monkeypatch.setitem(combination._BUDGETS, "cpu", combination.Budget(8, table_bytes, 3))
    log_probs_n_K_C = posterior_of(network, masks).log_probs(inputs)
    assert_equal_to_1e_5_of_the_largest_logit(log_probs_n_K_C, masked(network, masks, inputs))


def test_empty_inputs_are_accepted() -> None:
    assert FittedMCDropout(lenet5()).posterior(3, seeded(0)).log_probs(images(28, 0)).shape == (0, 3, 10)


def test_prediction_changes_neither_inputs_nor_weights() -> None:
    network, inputs = lenet5(), images(28, 5)
    before = [inputs.clone(), *[parameter.detach().clone() for parameter in network.parameters()]]
    FittedMCDropout(network).posterior(4, seeded(0)).log_probs(inputs)
    for now, then in zip([inputs, *network.parameters()], before, strict=True):
        assert torch.equal(now, then)


class Counted(nn.Module):
    """A trunk that is not a chain of layers and counts its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.seen = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1), 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen += len(inputs)
        hidden = self.first(inputs)
        result: Tensor = functional.relu(hidden + functional.tanh(self.second(hidden)))
        return result


def linear_head() -> list[nn.Module]:
    return [nn.Flatten(), MCDropout(384, 0.4), nn.Linear(384, 9), nn.ReLU(), MCDropout(9), nn.Linear(9, 4)]


def convolutional_head() -> list[nn.Module]:
    return [
        MCDropout(6),
        nn.Conv2d(6, 5, 3),
        nn.ReLU(),
        MCDropout(5),
        nn.Conv2d(5, 3, 3),
        nn.Flatten(),
        nn.Linear(48, 4),
    ]


def head_with_hyperbolic_tangent() -> list[nn.Module]:
    return [MCDropout(6), nn.Tanh(), nn.Flatten(), nn.Linear(384, 4)]


@pytest.mark.parametrize(
    ("head", "evaluated_by"),
    [
        (linear_head, CombinedPosterior),
        (lambda: [MCDropout(6), nn.Flatten(), nn.Linear(384, 4)], CombinedPosterior),
        (convolutional_head, ThinnedPosterior),
        (head_with_hyperbolic_tangent, PlainPosterior),
    ],
)
def test_a_trunk_without_dropout_runs_once_per_input(
    head: Callable[[], list[nn.Module]], evaluated_by: type[Posterior]
) -> None:
    with global_seed(0):
        trunk = Counted()
        network = nn.Sequential(trunk, *head(), nn.LogSoftmax(dim=1)).eval()
    masks, inputs = draw_masks(network, 6, seeded(0)), images(8, 11)
    expected = masked(network, masks, inputs)
    posterior = posterior_of(network, masks)
    trunk.seen = 0
    assert_equal_to_1e_5_of_the_largest_logit(posterior.log_probs(inputs), expected)
    assert trunk.seen == 11
    assert isinstance(posterior, evaluated_by)


def test_a_network_without_dropout_runs_once_and_gives_equal_samples() -> None:
    with global_seed(0):
        trunk = Counted()
        network = nn.Sequential(trunk, nn.Flatten(), nn.Linear(384, 4), nn.LogSoftmax(dim=1))
    posterior, inputs = FittedMCDropout(network).posterior(6, seeded(0)), images(8, 11)
    expected = network(inputs)
    trunk.seen = 0
    log_probs_n_K_C = posterior.log_probs(inputs)
    assert trunk.seen == 11
    assert posterior.num_samples == 6
    assert torch.equal(log_probs_n_K_C, expected.unsqueeze(1).expand(11, 6, 4))


def test_the_flops_of_lenet5_match_its_layers_and_masks() -> None:
    network = lenet5()
    masks = draw_masks(network, 100, seeded(0))
    kept = [masks_K_F.bool().sum(dim=1).double() for masks_K_F in masks]
    shared = 2 * 25 * 32 * 24**2 + 2 * 25 * 32 * 64 * 8**2
    by_mask = 2 * 33 * 8**2 * kept[1] + 2 * 16 * kept[1] * kept[2] + 2 * 10 * kept[2]
    least = shared + by_mask.sum().item()
    flops = flops_per_input(posterior_of(network, masks), images(28, 3))
    assert least <= flops < 1.2 * least
    assert flops_per_input(PlainPosterior(network, masks), images(28, 3)) > 20 * flops


@st.composite
def sequential_networks(draw: st.DrawFn) -> nn.Sequential:
    """Draw convolutions, then linear layers, with dropout between any two of them, before or after pooling and ReLU.

    With few channels and p = 0.9, some masks drop all channels.
    """
    p = draw(st.sampled_from([0.2, 0.5, 0.9]))
    layers: list[nn.Module] = []

    def add(weighted: nn.Module, features: int, *others: nn.Module) -> None:
        dropout = [MCDropout(features, p)] if draw(st.booleans()) else []
        layers.extend([weighted, *draw(st.permutations([nn.ReLU(), *others, *dropout]))])

    with global_seed(draw(st.integers(0, 2**32))):
        channels, size = draw(st.integers(1, 2)), 12
        for _ in range(draw(st.integers(0, 2))):
            out, kernel, stride = draw(st.integers(1, 4)), draw(st.sampled_from([1, 3])), draw(st.integers(1, 2))
            padding, bias, pool = draw(st.integers(0, 1)), draw(st.booleans()), draw(st.integers(0, 3))
            pools = [[], [nn.MaxPool2d(2)], [nn.MaxPool2d(2, padding=1)], [nn.MaxPool2d(3, 2, padding=1)]][pool]
            add(nn.Conv2d(channels, out, kernel, stride, padding, bias=bias), out, *pools)
            size = (size + 2 * padding - kernel) // stride + 1
            size = [size, size // 2, size // 2 + 1, (size - 1) // 2 + 1][pool]
            channels = out
        layers.extend([nn.Flatten()] if layers else [])
        features = channels * size**2
        for out in draw(st.lists(st.integers(1, 5), min_size=0 if layers else 1, max_size=2)):
            add(nn.Linear(features, out, bias=draw(st.booleans())), out)
            features = out
        if not any(isinstance(layer, MCDropout) for layer in layers):
            first = layers[0]
            assert isinstance(first, nn.Conv2d | nn.Linear)
            layers.insert(1, MCDropout(first.weight.shape[0], p))
        return nn.Sequential(*layers, nn.Linear(features, 4), nn.LogSoftmax(dim=-1))


def inputs_of(network: nn.Sequential, count: int) -> Tensor:
    first = network[0]
    if isinstance(first, nn.Linear):
        return torch.randn(count, first.in_features, generator=seeded(0))
    assert isinstance(first, nn.Conv2d)
    return torch.randn(count, first.in_channels, 12, 12, generator=seeded(0))


@given(network=sequential_networks(), seed=st.integers(0, 2**32))
@settings(max_examples=150)
def test_all_evaluations_of_convolutions_and_linear_layers_agree(network: nn.Sequential, seed: int) -> None:
    masks, inputs = draw_masks(network, 6, seeded(seed)), inputs_of(network, 3)
    expected = masked(network, masks, inputs)
    assert structure_of(network) is not None
    for posterior in evaluations(network, masks):
        assert_equal_to_rounding(posterior.log_probs(inputs), expected)


def flattened_then_dropped() -> nn.Sequential:
    """Return a network that drops single features after the channels of the second convolution have been flattened."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), MCDropout(3), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), MCDropout(64),
        nn.Linear(64, 4), nn.LogSoftmax(dim=-1),
    )  # fmt: skip


def flattened_then_dropped_early() -> nn.Sequential:
    """Return a network that does the same after the first convolution."""
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), MCDropout(72), nn.Linear(72, 4), nn.LogSoftmax(dim=-1)
    )


def twice_dropped() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(64, 9), MCDropout(9, 0.3), nn.ReLU(), MCDropout(9, 0.4), nn.Linear(9, 4), nn.LogSoftmax(dim=-1)
    )


def tanh_after_dropout() -> nn.Sequential:
    """Return a network whose hyperbolic tangent does not commute with the factors of dropout."""
    return nn.Sequential(nn.Linear(64, 9), MCDropout(9), nn.Tanh(), nn.Linear(9, 4), nn.LogSoftmax(dim=-1))


def averaged_and_grouped() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), MCDropout(4), nn.Conv2d(4, 4, 3, groups=2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 4),
        nn.LogSoftmax(dim=-1),
    )  # fmt: skip


@pytest.mark.parametrize(
    "build",
    [flattened_then_dropped, flattened_then_dropped_early, twice_dropped, tanh_after_dropout, averaged_and_grouped],
)
def test_the_posterior_of_other_networks_is_correct(build: Callable[[], nn.Sequential]) -> None:
    with global_seed(0):
        network = build()
    inputs = images(8, 5) if isinstance(network[0], nn.Conv2d) else images(8, 5).flatten(1)
    expected = masked(network, draw_masks(network, 4, seeded(3)), inputs)
    log_probs_n_K_C = FittedMCDropout(network).posterior(4, seeded(3)).log_probs(inputs)
    assert_equal_to_rounding(log_probs_n_K_C, expected)


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 20])
def test_the_chunking_of_inputs_does_not_change_log_probs(chunk_size: int, device: torch.device) -> None:
    posterior = FittedMCDropout(lenet5().to(device)).posterior(4, seeded(0))
    inputs = images(28, 20).to(device)
    whole = posterior.log_probs(inputs)
    chunks = [inputs[first : first + chunk_size] for first in range(0, 20, chunk_size)]
    chunked = torch.cat([posterior.log_probs(inputs_n) for inputs_n in chunks])
    assert_equal_to_rounding(chunked, whole)
    alone = posterior.log_probs(inputs[[11]])
    assert_equal_to_rounding(alone, whole[[11]])


def test_log_probs_are_normalised_and_equal_when_read_again() -> None:
    posterior = FittedMCDropout(lenet5()).posterior(6, seeded(0))
    first, again = posterior.log_probs(images(28, 5)), posterior.log_probs(images(28, 5))
    assert torch.equal(first, again)
    torch.testing.assert_close(first.logsumexp(dim=-1), torch.zeros(5, 6), atol=1e-6, rtol=0)


def test_the_generator_state_determines_the_log_probs() -> None:
    fitted, inputs = FittedMCDropout(lenet5()), images(28, 4)
    first, same, other = (fitted.posterior(5, seeded(seed)).log_probs(inputs) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert (first - other).abs().amax(dim=(0, 2)).min() > 1e-3  # all five samples differ


def test_posterior_samples_differ_from_each_other() -> None:
    log_probs_n_K_C = FittedMCDropout(lenet5()).posterior(8, seeded(0)).log_probs(images(28, 1))
    distances = torch.cdist(log_probs_n_K_C[0], log_probs_n_K_C[0]) + torch.eye(8)
    assert distances.min() > 1e-3


def test_a_posterior_outlives_the_next_one_of_the_same_model() -> None:
    fitted, inputs = FittedMCDropout(tanh_after_dropout()), images(8, 3).flatten(1)
    first = fitted.posterior(3, seeded(0))
    before = first.log_probs(inputs)
    fitted.posterior(7, seeded(1)).log_probs(inputs)
    assert torch.equal(first.log_probs(inputs), before)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_masks_drop_a_channel_with_probability_p_and_scale_up_the_others(p: float) -> None:
    masks_K_F = MCDropout(50, p).draw_masks(400, seeded(0))
    assert masks_K_F.shape == (400, 50)
    assert set(masks_K_F.flatten().tolist()) == {0.0, torch.tensor(1 / (1 - p)).item()}
    dropped = (masks_K_F == 0).double().mean().item()
    assert dropped == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 20_000))


def test_masks_of_layers_and_samples_are_drawn_independently() -> None:
    first, _, last = draw_masks(lenet5(), 50, seeded(0))
    assert distinct_rows(first) == 50
    assert not torch.equal(first, last[:, :32])


def test_drawing_masks_uses_no_global_generator() -> None:
    before = torch.get_rng_state()
    FittedMCDropout(lenet5()).posterior(3, seeded(0)).log_probs(images(28, 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_training_draws_a_mask_of_whole_channels_for_each_example() -> None:
    dropped = MCDropout(64, 0.25).train()(torch.ones(200, 64, 3, 3))
    per_channel = dropped.flatten(2)
    assert torch.equal(per_channel.amin(dim=2), per_channel.amax(dim=2))  # each channel is kept or dropped as a whole
    assert set(dropped.flatten().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert distinct_rows(per_channel[:, :, 0]) == 200
    assert (dropped == 0).double().mean().item() == pytest.approx(0.25, abs=0.02)


def test_training_draws_a_mask_of_features_for_each_example() -> None:
    dropped = MCDropout(64, 0.5).train()(torch.ones(200, 64))
    assert distinct_rows(dropped) == 200
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}


def test_predictions_of_an_image_vary_in_training_mode_and_not_in_evaluation_mode() -> None:
    network, same_image = lenet5(), images(28, 1).expand(20, 1, 28, 28)
    with torch.no_grad():
        in_training = network.train()(same_image)
        in_evaluation = network.eval()(same_image)
    assert distinct_rows(in_training) == 20
    torch.testing.assert_close(in_evaluation, in_evaluation[:1].expand(20, 10))


def test_embeddings_are_the_last_hidden_layer_without_dropout(device: torch.device) -> None:
    network, inputs = lenet5().to(device), images(28, 3).to(device)
    weights = list(network.parameters())
    hidden = functional.relu(functional.max_pool2d(functional.conv2d(inputs, weights[0], weights[1]), 2))
    hidden = functional.relu(functional.max_pool2d(functional.conv2d(hidden, weights[2], weights[3]), 2))
    hidden = functional.relu(functional.linear(hidden.flatten(1), weights[4], weights[5]))
    assert_equal_to_rounding(FittedMCDropout(network.train()).embeddings(inputs), hidden.detach())


@pytest.mark.parametrize("p", [-0.1, 1.0, math.nan])
def test_a_dropout_that_is_not_in_0_to_1_is_rejected(p: float) -> None:
    with pytest.raises(ValueError, match="dropout is"):
        MCDropout(4, p)


@pytest.mark.parametrize("before", [nn.Identity(), nn.Flatten()], ids=["features", "channels"])
def test_a_head_on_the_embeddings_predicts_as_the_whole_network_if_only_the_last_layer_has_dropout(
    before: nn.Module, device: torch.device
) -> None:
    with global_seed(0):
        if isinstance(before, nn.Flatten):  # a mask of channels, each of which is nine features
            network = nn.Sequential(nn.Conv2d(1, 4, 3), MCDropout(4, 0.4), nn.ReLU(), before, nn.Linear(36, 3))
            inputs = images(5, 7).to(device)
        else:
            network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), MCDropout(8, 0.4), before, nn.Linear(8, 3))
            inputs = torch.randn(7, 6).to(device)
    fitted = FittedMCDropout(nn.Sequential(*network, nn.LogSoftmax(dim=-1)).to(device))
    posterior = fitted.posterior(9, seeded(1))
    predicted = posterior.log_probs(inputs)
    assert predicted.shape == (7, 9, 3)
    assert distinct_rows(predicted[0]) > 1
    assert_equal_to_rounding(posterior.head(fitted.embeddings(inputs)), predicted)


def test_the_head_of_lenet5_applies_the_last_mask_to_the_embeddings(device: torch.device) -> None:
    network = lenet5().to(device)
    fitted = FittedMCDropout(network)
    embeddings = torch.randn(6, 128, generator=seeded(3)).to(device)
    _, _, masks_K_F = draw_masks(network, 5, seeded(1))
    expected = torch.stack([functional.log_softmax(network[-2](embeddings * mask_F), 1) for mask_F in masks_K_F], 1)
    assert_equal_to_rounding(fitted.posterior(5, seeded(1)).head(embeddings), expected.detach())


def test_the_head_of_a_network_without_dropout_has_equal_samples() -> None:
    with global_seed(0):
        network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), nn.LogSoftmax(dim=-1))
    fitted, inputs = FittedMCDropout(network), torch.randn(4, 6, generator=seeded(0))
    posterior = fitted.posterior(3, seeded(0))
    assert torch.equal(posterior.head(fitted.embeddings(inputs)), posterior.log_probs(inputs))
