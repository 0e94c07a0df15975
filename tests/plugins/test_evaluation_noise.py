"""How much random masks in the evaluation change a test accuracy, for one LeNet fitted to real MNIST."""

from pathlib import Path

import pytest
import torch
from softal_plugins.datasets.mnist import MNIST
from softal_plugins.models.lenet5 import LeNet5

from softal_bench.bayes.training import accuracy_and_nll, evaluation_log_probs
from softal_bench.contracts import TrainingRegime

SETS = 200  # independent sets of four masks
TOGETHER = 25  # sets predicted at once; samples of one posterior are independent


@pytest.mark.mnist
@pytest.mark.long
def test_new_masks_for_every_64_inputs_reduce_the_noise_of_the_test_accuracy(
    softal_data: Path,
) -> None:
    splits = MNIST().load(softal_data, torch.Generator().manual_seed(0))
    order = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(1))
    regime = TrainingRegime(epoch_draws=4096, max_epochs=1, evaluation_samples=4, evaluation_batch_size=64)
    labelled, validation = splits.train.at(order[:40]), splits.train.at(order[100:400])
    fitted = LeNet5().fit(labelled, validation, regime, torch.device("cpu"), torch.Generator().manual_seed(2))
    test = splits.test.at(torch.arange(0, len(splits.test), 2))

    in_batches = []
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        log_probs_n_C = evaluation_log_probs(fitted, test.inputs, regime.test_samples, regime, generator)
        in_batches.append(100 * accuracy_and_nll(log_probs_n_C, test.labels)[0])

    whole_set = []
    for seed in range(SETS // TOGETHER):
        posterior = fitted.posterior(4 * TOGETHER, torch.Generator().manual_seed(100 + seed))
        log_probs_n_S_C = torch.cat(
            [
                posterior.log_probs(inputs_n).view(len(inputs_n), TOGETHER, 4, -1).mean(dim=2)
                for inputs_n in torch.split(test.inputs, 512)
            ]
        )
        right_n_S = log_probs_n_S_C.argmax(dim=2) == test.labels[:, None]
        whole_set += (100 * right_n_S.double().mean(dim=0)).tolist()

    batches, sets = torch.tensor(in_batches), torch.tensor(whole_set)
    assert batches.std() < 0.6, f"{batches.std():.2f} points; {sets.std():.2f} with one set of masks for all inputs"
    assert batches.std() < 0.5 * sets.std()
    standard_error = (batches.var() / len(batches) + sets.var() / len(sets)).sqrt()
    assert abs(batches.mean() - sets.mean()) <= 2 * standard_error
