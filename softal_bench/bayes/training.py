"""Training from scratch with early stopping, for models whose data fit in memory."""

import copy
import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.captured_step import CapturedStep, Step, captures
from softal_bench.bayes.fourier_convolution import training_log_probs
from softal_bench.bayes.mc_dropout import FittedMCDropout, masked_batches
from softal_bench.contracts import Examples, FittedModel, TrainingRegime
from softal_bench.errors import NumericalError
from softal_bench.machine.memory import keep_freed_memory, prediction_chunk
from softal_bench.seeding import seeded_global_rng

_KEPT_BLOCK = 2**25  # bytes; otherwise a step of the LeNet returns 2000 pages and faults them in again
_PADDING = 4  # the maximum shift of an image, in pixels


def evaluation_log_probs(
    fitted: FittedModel, inputs: Tensor, num_samples: int, training: TrainingRegime, generator: torch.Generator
) -> Tensor:
    """Return the prediction for validation and test, log_probs_n_C, float32.

    K = `num_samples` posterior samples are drawn for every `training.evaluation_batch_size` inputs, as the authors did
    for each mini-batch of 64, or once for all inputs if that is None. A single draw for all inputs shifts all their
    predictions together: with K = 4, the accuracy of a LeNet on MNIST then has a standard deviation of about a point.

    `training.evaluation_mean` is "geometric" for mean_k log p_k, as in the experiments of the paper, not renormalised,
    so that its NLL is the mean NLL of the samples; or "arithmetic" for log mean_k p_k.
    """
    shared_by = training.evaluation_batch_size if fitted.stochastic_posterior else None
    predicted = []
    for inputs_b in torch.split(inputs, shared_by or len(inputs)):
        posterior = fitted.posterior(num_samples, generator)
        for inputs_n in torch.split(inputs_b, prediction_chunk(inputs.device)):
            log_probs_n_K_C = posterior.log_probs(inputs_n)
            if training.evaluation_mean == "geometric":
                predicted.append(log_probs_n_K_C.mean(dim=1))
            else:
                predicted.append(log_probs_n_K_C.logsumexp(dim=1) - math.log(posterior.num_samples))
    return torch.cat(predicted)


def accuracy_and_nll(log_probs_n_C: Tensor, labels_n: Tensor) -> tuple[float, float]:
    """Return the fraction of examples whose most probable class is right, and the mean NLL in nats."""
    log_probs_n_C = log_probs_n_C.double()
    right = log_probs_n_C.argmax(dim=-1) == labels_n
    return right.double().mean().item(), functional.nll_loss(log_probs_n_C, labels_n).item()


def fit_mc_dropout(
    build: Callable[[], nn.Sequential],
    labelled: Examples,
    validation: Examples,
    training: TrainingRegime,
    device: torch.device,
    generator: torch.Generator,
) -> FittedMCDropout:
    """Train the network that `build` returns (with new weights, ending in log-probs) and keep its best epoch.

    The loss is the mean negative log-likelihood, the optimiser Adam with coupled weight decay. The validation set is
    evaluated after each epoch, with new masks each time; training stops after `patience` epochs without a better
    result. If it is empty, training runs for `max_epochs`, and the last epoch is kept.

    The order of examples, dropout masks and augmentation are drawn on the CPU from the generator. Initial weights, and
    dropout layers other than MCDropout, draw from the global generators, which are seeded from it.
    """
    with seeded_global_rng(generator, device):
        network = build().to(device)
        epochs, best_epoch = _train(network, labelled.to(device), validation.to(device), training, generator)
        return FittedMCDropout(network, epochs, best_epoch, functools.partial(distil_mc_dropout, build))


def distil_mc_dropout(
    build: Callable[[], nn.Sequential],
    inputs: Tensor,
    target_log_probs_N_C: Tensor,
    epochs: int,
    training: TrainingRegime,
    generator: torch.Generator,
) -> FittedMCDropout:
    """Train the network that `build` returns, with new weights, to predict the targets of the inputs.

    The loss is the mean over inputs of sum_c exp(t_c) (t_c - log q_c). Optimiser and batch size are those of training.
    An epoch is one pass over all inputs in random order, without augmentation. There is no validation, so the last
    epoch is kept.

    Source: the authors' evaluation model of EPIG-BALD, arXiv:2106.12059 and their public code.
    """
    with seeded_global_rng(generator, inputs.device):
        network = build().to(inputs.device)
        optimiser = make_optimiser(network, training)
        network.train()
        for _ in range(epochs):
            order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
            for batch in masked_batches(network, len(inputs), training.batch_size, inputs.device, generator):
                distillation_step(network, optimiser, inputs[order[batch]], target_log_probs_N_C[order[batch]])
        return FittedMCDropout(network, epochs, epochs, functools.partial(distil_mc_dropout, build))


def make_optimiser(network: nn.Sequential, training: TrainingRegime) -> torch.optim.Optimizer:
    """Lay out the network channels last, and return Adam with coupled weight decay and one kernel for all parameters.

    Neither changes the mathematics. Convolutions and pooling are faster with the channels innermost, and a step costs
    less if all parameters are in one tensor and all gradients in another. On the CPU, freed memory is kept for the next
    step.
    """
    network.to(memory_format=torch.channels_last)
    keep_freed_memory(_KEPT_BLOCK, 2 * _KEPT_BLOCK)
    together = _in_one_tensor(network)
    return torch.optim.Adam(
        [together],
        lr=training.learning_rate,
        weight_decay=training.weight_decay,
        fused=True,
        capturable=captures(together.device),
    )


def training_step(
    network: nn.Sequential, optimiser: torch.optim.Optimizer, inputs_b: Tensor, labels_b: Tensor
) -> Tensor:
    """Compute one step on a batch. Return the loss before the step, the mean of -log p(labels | inputs) in nats.

    Args:
        network: a network in training mode (`network.train()`) that ends in log-probs.
        optimiser: the optimiser from `make_optimiser`.
        inputs_b, labels_b: the batch, on the network's device.

    Returns:
        The loss, a scalar Tensor.
    """
    loss = functional.nll_loss(training_log_probs(network, inputs_b), labels_b)
    return _descend(optimiser, loss)


def distillation_step(
    network: nn.Sequential, optimiser: torch.optim.Optimizer, inputs_b: Tensor, target_log_probs_b_C: Tensor
) -> Tensor:
    """Compute one step towards soft targets t. Return the loss, the mean of sum_c exp(t_c) (t_c - log q_c).

    If the targets are normalised, it is the Kullback-Leibler divergence of the predictions q from them.
    """
    log_probs_b_C = training_log_probs(network, inputs_b)
    loss = functional.kl_div(log_probs_b_C, target_log_probs_b_C, reduction="batchmean", log_target=True)
    return _descend(optimiser, loss)


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    optimiser.zero_grad(set_to_none=False)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.detach()


def _in_one_tensor(network: nn.Module) -> nn.Parameter:
    """Move the parameters into one tensor, and their gradients into its gradient. Each keeps its shape and layout."""
    parameters = list(network.parameters())
    together = nn.Parameter(parameters[0].new_empty(sum(parameter.numel() for parameter in parameters)))
    together.grad = torch.zeros_like(together)
    start = 0
    for parameter in parameters:
        place = (parameter.shape, parameter.stride(), start)
        view = together.detach().as_strided(*place).copy_(parameter.detach())
        parameter.data, parameter.grad = view, together.grad.as_strided(*place)
        start += parameter.numel()
    return together


def epoch_order(size: int, draws: int, generator: torch.Generator) -> Tensor:
    """Return `draws` indices in random order: each of `size` examples floor(draws / size) times or once more."""
    repeats = torch.arange(size).repeat(draws // size)
    remainder = torch.randperm(size, generator=generator)[: draws % size]
    drawn = torch.cat([repeats, remainder])
    return drawn[torch.randperm(draws, generator=generator)]


def _train(
    network: nn.Sequential,
    labelled: Examples,
    validation: Examples,
    training: TrainingRegime,
    generator: torch.Generator,
) -> tuple[int, int]:
    """Train the network and load the weights of its best epoch. Return (epochs run, best epoch from 1).

    Without a validation set, all epochs are run and the last one is kept.
    """
    optimiser = make_optimiser(network, training)
    step: Step = functools.partial(training_step, network, optimiser)
    if captures(labelled.labels.device):
        step = CapturedStep(step, network, optimiser)
    validating = torch.Generator().manual_seed(int(torch.randint(2**63 - 1, (), generator=generator)))
    plateau = Plateau(training.patiences)
    best_epoch, best_weights = 0, copy.deepcopy(network.state_dict())
    for epoch in range(1, training.max_epochs + 1):
        _train_epoch(network, step, labelled, training, generator)
        if not len(validation):
            continue
        value = _validate(network, validation, training, validating)
        if math.isnan(value):
            raise NumericalError(f"validation {training.monitor}", f"is NaN after epoch {epoch}; training diverged")
        stage = plateau.stage
        if plateau.is_best(value):
            best_epoch, best_weights = epoch, copy.deepcopy(network.state_dict())
        if plateau.ended:
            break
        if plateau.stage > stage:
            for group in optimiser.param_groups:
                group["lr"] *= training.decay
    if not len(validation):
        return epoch, epoch
    network.load_state_dict(best_weights)
    return epoch, max(best_epoch, 1)


class Plateau:
    """A count of epochs without a better result. Stage 1 begins after `patiences[0]` of them, and so on to the end."""

    def __init__(self, patiences: list[int]) -> None:
        self.stage = 0
        self._patiences = patiences
        self._best = -math.inf
        self._since = 0

    @property
    def ended(self) -> bool:
        """Whether the last patience is used up."""
        return self.stage == len(self._patiences)

    def is_best(self, value: float) -> bool:
        """Record the result of an epoch, where larger is better. Return whether it is the best so far."""
        self._since += 1
        better = value > self._best
        if better:
            self._best, self._since = value, 0
        if self._since >= self._patiences[self.stage]:
            self.stage, self._since = self.stage + 1, 0
        return better


def _train_epoch(
    network: nn.Sequential,
    step: Step,
    labelled: Examples,
    training: TrainingRegime,
    generator: torch.Generator,
) -> None:
    network.train()
    draws, device = training.epoch_draws, labelled.labels.device
    order = epoch_order(len(labelled), draws, generator).to(device)
    crops_n_3 = None if training.augmentation is None else draw_crops(draws, generator).to(device)
    for batch in masked_batches(network, draws, training.batch_size, device, generator):
        inputs_b, labels_b = labelled.inputs[order[batch]], labelled.labels[order[batch]]
        if crops_n_3 is not None:
            inputs_b = crop_and_flip(inputs_b, crops_n_3[batch])
        step(inputs_b, labels_b)


def _validate(
    network: nn.Sequential, validation: Examples, training: TrainingRegime, generator: torch.Generator
) -> float:
    """Return the monitored value, where larger is better."""
    log_probs_n_C = evaluation_log_probs(
        FittedMCDropout(network), validation.inputs, training.samples_in_training, training, generator
    )
    accuracy, nll = accuracy_and_nll(log_probs_n_C, validation.labels)
    return accuracy if training.monitor == "accuracy" else -nll


def draw_crops(count: int, generator: torch.Generator) -> Tensor:
    """Draw crops_n_3 on the CPU, int64: rows and columns to skip, 0 to 8, and whether to mirror each image, 0 or 1."""
    shifts_n_2 = torch.randint(2 * _PADDING + 1, (count, 2), generator=generator)
    mirrored_n_1 = torch.randint(2, (count, 1), generator=generator)
    return torch.cat([shifts_n_2, mirrored_n_1], dim=1)


def crop_and_flip(inputs_n: Tensor, crops_n_3: Tensor) -> Tensor:
    """Shift each image by -4 to 4 pixels along rows and columns, and mirror it if its crop says so.

    The result is a crop from the image padded by 4 zeros on each side. Zero is the mean if inputs are standardised.

    Args:
        inputs_n: images [n, c, h, w].
        crops_n_3: the output of `draw_crops`, on the images' device.

    Raises:
        ValueError: if the inputs are not images.
    """
    if inputs_n.ndim != 4:
        raise ValueError(f"augmentation: inputs have shape {tuple(inputs_n.shape[1:])}; need images of [c, h, w]")
    n, _, height, width = inputs_n.shape
    device = inputs_n.device
    padded = functional.pad(inputs_n, [_PADDING] * 4)
    down_n, across_n, mirrored_n = crops_n_3.unbind(dim=1)
    rows_n_h = down_n[:, None] + torch.arange(height, device=device)
    columns = torch.arange(width, device=device)
    columns_n_w = across_n[:, None] + torch.where(mirrored_n[:, None] == 1, columns.flip(0), columns)
    image_n = torch.arange(n, device=device)
    return padded[image_n[:, None, None], :, rows_n_h[:, :, None], columns_n_w[:, None, :]].permute(0, 3, 1, 2)
