"""Changes that alter results: each one, made alone and without a new revision, fails a golden trial."""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from softal_plugins.datasets.repeated import Repeated
from softal_plugins.models import ensemble
from softal_plugins.models.resnet18 import ResNet18
from torch import Tensor, nn

from softal_bench.bayes import fourier_convolution, information, sampling, training
from softal_bench.bayes.joint_entropy import Configurations
from softal_bench.bayes.mc_dropout import FittedMCDropout, MCDropout
from softal_bench.contracts import TrainingRegime
from softal_bench.pools import PosteriorPool
from softal_bench.seeding import Seeds
from softal_bench.trial import partition, round_pools
from softal_bench.trial import trial as trials

from .compare import differences, failure
from .record import Record

Patch = pytest.MonkeyPatch


def wrap(patch: Patch, owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace a function or method by `around`, which receives the original and its arguments."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *arguments, **named: around(original, *arguments, **named))


# Training


def learning_rate_one_percent_higher(patch: Patch) -> None:
    def around(original: Any, network: nn.Sequential, regime: TrainingRegime) -> Any:
        return original(network, regime.model_copy(update={"learning_rate": 1.01 * regime.learning_rate}))

    wrap(patch, training, "make_optimiser", around)


def no_weight_decay(patch: Patch) -> None:
    def around(original: Any, network: nn.Sequential, regime: TrainingRegime) -> Any:
        return original(network, regime.model_copy(update={"weight_decay": 0.0}))

    wrap(patch, training, "make_optimiser", around)


def another_learning_rate_decay(patch: Patch) -> None:
    patch.setattr(TrainingRegime, "decay", property(lambda regime: 0.4))


def another_order_of_examples(patch: Patch) -> None:
    wrap(patch, training, "epoch_order", lambda original, *arguments: original(*arguments).flip(0))


def dropout_masks_of_other_examples(patch: Patch) -> None:
    wrap(patch, MCDropout, "draw_kept", lambda original, *arguments: original(*arguments).roll(1, 0))


def last_epoch_kept(patch: Patch) -> None:
    wrap(patch, training.Plateau, "is_best", lambda original, *arguments: original(*arguments) or True)


def gradient_of_convolutions_one_percent_larger(patch: Patch) -> None:
    convolution = fourier_convolution._FourierConvolution
    original = convolution.backward
    patch.setattr(convolution, "backward", staticmethod(lambda ctx, gradient: original(ctx, 1.01 * gradient)))


def batch_statistics_with_another_momentum(patch: Patch) -> None:
    def around(original: Any, *arguments: Any) -> nn.Sequential:
        network: nn.Sequential = original(*arguments)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.11
        return network

    wrap(patch, ResNet18, "network", around)


def all_members_of_an_ensemble_alike(patch: Patch) -> None:
    def around(original: Any, generator: torch.Generator, members: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(generator.initial_seed()) for _ in range(members)]

    wrap(patch, ensemble, "_generators", around)


# Augmentation


def images_shifted_by_less(patch: Patch) -> None:
    patch.setattr(training, "_PADDING", 3)


def images_not_augmented(patch: Patch) -> None:
    patch.setattr(training, "crop_and_flip", lambda inputs_n, crops_n_3: inputs_n)


# Data and partition


def more_noise_on_the_copies(patch: Patch) -> None:
    wrap(patch, Repeated, "load", lambda original, data, *rest: original(replace(data, noise_std=0.11), *rest))


def validation_in_another_order(patch: Patch) -> None:
    def around(original: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        validation, candidates = original(*arguments)
        return validation.flip(0), candidates

    wrap(patch, trials, "draw_validation", around)


def validation_not_stratified(patch: Patch) -> None:
    patch.setattr(partition, "_stratified", lambda order, labels, size: order)


def fixed_sets_from_other_seeds(patch: Patch) -> None:
    patch.setattr(partition, "_FIXED", -2)


def twins_of_validation_left_in_the_pool(patch: Patch) -> None:
    def around(original: Any, condition: Any, number: int, splits: Any) -> tuple[Tensor, Tensor]:
        validation, _ = original(condition, number, splits)
        left = torch.ones(len(splits.train), dtype=torch.bool)
        left[validation] = False
        return validation, left.nonzero().flatten()

    wrap(patch, trials, "draw_validation", around)


def start_set_sorted(patch: Patch) -> None:
    wrap(patch, trials, "draw_start", lambda original, *arguments: sorted(original(*arguments)))


# Pools


def chunks_at_shifted_positions(patch: Patch) -> None:
    def around(original: Any, pool: PosteriorPool) -> Iterator[tuple[Tensor, Tensor]]:
        for positions_n, log_probs_n_K_C in original(pool):
            yield positions_n.roll(1), log_probs_n_K_C

    wrap(patch, PosteriorPool, "log_probs", around)


def indices_of_neighbours(patch: Patch) -> None:
    wrap(patch, PosteriorPool, "indices", lambda original, pool, positions: original(pool, (positions + 1) % pool.size))


def posterior_from_another_generator(patch: Patch) -> None:
    def around(original: Any, fitted: FittedMCDropout, num_samples: int, generator: torch.Generator) -> Any:
        return original(fitted, num_samples, torch.Generator().manual_seed(generator.initial_seed() ^ 1))

    wrap(patch, FittedMCDropout, "posterior", around)


def _others_drawn(purpose: str) -> Callable[..., Tensor]:
    def around(original: Any, pools: Any, indices: Tensor, size: int, drawn_for: str) -> Tensor:
        drawn: Tensor = original(pools, indices, size, drawn_for)
        return indices[:size] if drawn_for == purpose else drawn

    return around


def another_subset_of_the_pool(patch: Patch) -> None:
    wrap(patch, round_pools.RoundPools, "_drawn", _others_drawn("pool subset"))


def other_targets(patch: Patch) -> None:
    wrap(patch, round_pools.RoundPools, "_drawn", _others_drawn("targets"))


# Evaluation


def one_more_mask_in_evaluation(patch: Patch) -> None:
    def around(original: Any, fitted: FittedMCDropout, num_samples: int, generator: torch.Generator) -> Any:
        return original(fitted, num_samples + (num_samples == 100), generator)

    wrap(patch, FittedMCDropout, "posterior", around)


def _evaluated_with(patch: Patch, owner: Any, changes: dict[str, Any]) -> None:
    def around(original: Any, fitted: Any, inputs: Tensor, num_samples: int, regime: Any, *rest: Any) -> Any:
        return original(fitted, inputs, num_samples, regime.model_copy(update=changes), *rest)

    wrap(patch, owner, "evaluation_log_probs", around)


def measured_with_the_arithmetic_mean(patch: Patch) -> None:
    _evaluated_with(patch, trials, {"evaluation_mean": "arithmetic"})


def measured_with_the_geometric_mean(patch: Patch) -> None:
    _evaluated_with(patch, trials, {"evaluation_mean": "geometric"})


def measured_with_masks_drawn_anew_for_every_8_inputs(patch: Patch) -> None:
    _evaluated_with(patch, trials, {"evaluation_batch_size": 8})


def all_test_inputs_under_one_draw(patch: Patch) -> None:
    _evaluated_with(patch, trials, {"evaluation_batch_size": None})


def all_validation_inputs_under_one_draw(patch: Patch) -> None:
    _evaluated_with(patch, training, {"evaluation_batch_size": None})


def validated_with_the_samples_of_a_test(patch: Patch) -> None:
    patch.setattr(TrainingRegime, "samples_in_training", property(lambda regime: regime.test_samples))


# Seeding


def seeds_from_another_hash(patch: Patch) -> None:
    def seed(seeds: Seeds, purpose: str, round_: int | None = None) -> int:
        parts = f"{seeds.suite_seed} {seeds.trial} {round_} {purpose}"
        return int.from_bytes(hashlib.blake2b(parts.encode()).digest()[:8], "big") >> 1

    patch.setattr(Seeds, "seed", seed)


# Distillation


def one_more_epoch_of_distillation(patch: Patch) -> None:
    def around(original: Any, fitted: Any, inputs: Tensor, targets: Tensor, epochs: int, *rest: Any) -> Any:
        return original(fitted, inputs, targets, epochs + 1, *rest)

    wrap(patch, FittedMCDropout, "distil", around)


def distillation_targets_from_more_draws(patch: Patch) -> None:
    _evaluated_with(patch, round_pools, {"evaluation_batch_size": 32})


def arithmetic_mean_of_distillation_targets(patch: Patch) -> None:
    _evaluated_with(patch, round_pools, {"evaluation_mean": "arithmetic"})


# Acquisition


def bald_in_bits(patch: Patch) -> None:
    wrap(patch, information, "bald", lambda original, log_probs_N_K_C: original(log_probs_N_K_C) / math.log(2))


def noise_of_stochastic_rules_in_another_order(patch: Patch) -> None:
    wrap(patch, sampling, "standard_gumbel", lambda original, *arguments: original(*arguments).flip(0))


def configurations_drawn_from_the_other_end(patch: Patch) -> None:
    wrap(patch, Configurations, "_drawn", lambda original, *arguments: original(*arguments).flip(0))


def half_as_many_configurations(patch: Patch) -> None:
    def around(original: Any, configurations: Configurations, log_probs_K_C: Tensor, most: int, *rest: Any) -> Any:
        return original(configurations, log_probs_K_C, most // 2, *rest)

    wrap(patch, Configurations, "extended", around)


# The change, the cheapest trial that shows it, and the field in which it shows first.
PLANTS: list[tuple[Callable[[Patch], None], str, str]] = [
    (learning_rate_one_percent_higher, "mlp_uniform", "nll"),
    (no_weight_decay, "mlp_uniform", "nll"),
    (another_learning_rate_decay, "mlp_softrank", "best_epoch"),
    (another_order_of_examples, "mlp_uniform", "nll"),
    (dropout_masks_of_other_examples, "mlp_uniform", "masks"),
    (last_epoch_kept, "mlp_bald", "best_epoch"),
    (gradient_of_convolutions_one_percent_larger, "lenet5_bald", "nll"),
    (batch_statistics_with_another_momentum, "resnet18_variation_ratios", "log_probs"),
    (all_members_of_an_ensemble_alike, "ensemble_epig", "best_epoch"),
    (images_shifted_by_less, "digits_cnn_power", "nll"),
    (images_not_augmented, "resnet18_variation_ratios", "nll"),
    (more_noise_on_the_copies, "digits_cnn_power", "data"),
    (validation_in_another_order, "mlp_uniform", "validation"),
    (validation_not_stratified, "mlp_uniform", "start"),
    (fixed_sets_from_other_seeds, "mlp_softmax", "seeds"),
    (twins_of_validation_left_in_the_pool, "digits_cnn_power", "start"),
    (start_set_sorted, "mlp_uniform", "start"),
    (chunks_at_shifted_positions, "mlp_bald", "log_probs"),
    (indices_of_neighbours, "mlp_uniform", "acquired"),
    (posterior_from_another_generator, "mlp_uniform", "masks"),
    (another_subset_of_the_pool, "mlp_softrank", "log_probs"),
    (other_targets, "ensemble_epig", "acquired"),
    (one_more_mask_in_evaluation, "mlp_uniform", "masks"),
    (measured_with_the_arithmetic_mean, "mlp_uniform", "nll"),
    (measured_with_the_geometric_mean, "mlp_softmax", "nll"),
    (measured_with_masks_drawn_anew_for_every_8_inputs, "mlp_uniform", "masks"),
    (all_test_inputs_under_one_draw, "lenet5_bald", "masks"),
    (all_validation_inputs_under_one_draw, "lenet5_bald", "best_epoch"),
    (validated_with_the_samples_of_a_test, "lenet5_bald", "masks"),
    (seeds_from_another_hash, "mlp_uniform", "seeds"),
    (one_more_epoch_of_distillation, "mlp_epig_bald", "masks"),
    (arithmetic_mean_of_distillation_targets, "mlp_epig_bald", "scores"),
    (distillation_targets_from_more_draws, "mlp_power_epig_bald", "masks"),
    (bald_in_bits, "mlp_bald", "scores"),
    (noise_of_stochastic_rules_in_another_order, "mlp_softmax", "acquired"),
    (configurations_drawn_from_the_other_end, "digits_cnn_batchbald", "acquired"),
    (half_as_many_configurations, "digits_cnn_batchbald", "acquired"),
]


@pytest.mark.parametrize(("plant", "name", "field"), PLANTS, ids=[plant.__name__ for plant, _, _ in PLANTS])
def test_a_planted_change_is_caught(
    plant: Callable[[Patch], None], name: str, field: str, golden: Record, golden_data: Path, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    first = next(differences(name, golden["trials"][name], golden_data), None)
    assert first is not None, "nothing differs"
    assert first.field == field, str(first)


def test_the_failure_names_the_difference_and_a_remedy(golden: Record, golden_data: Path, monkeypatch: Patch) -> None:
    assert failure("mlp_uniform", golden, golden_data) is None
    start_set_sorted(monkeypatch)
    problem = failure("mlp_uniform", golden, golden_data)
    assert problem is not None
    assert "mlp_uniform: start: was [" in problem
    assert "undo the change" in problem
    assert "raise PROTOCOL_REVISION" in problem
    assert "python -m tests.golden" in problem
    assert "records" in problem
