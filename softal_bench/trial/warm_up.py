"""A warm-up before the first timed round of a process, so that no round is charged for what is loaded once."""

import torch

from softal_bench.bayes.training import evaluation_log_probs
from softal_bench.contracts import Examples, Splits
from softal_bench.machine.isolation import restored
from softal_bench.machine.memory import prediction_chunk
from softal_bench.machine.stopwatch import synchronise
from softal_bench.suite import Condition


def warm_up(condition: Condition, splits: Splits, device: torch.device) -> None:
    """Do what a round does, once and small: a training step, an evaluation, and a prediction of one chunk of the pool.

    Libraries choose algorithms, load kernels, start threads and reserve memory at the first call of each size, so the
    sizes are those of a round: the batch of training, the chunk of the pool, and the numbers of posterior samples.

    It has generators of its own, and all global state is as before afterwards. Whatever goes wrong is ignored: the
    trial does the same and reports it.
    """
    with restored():
        try:
            _small_round(condition, splits, device)
        except (Exception, SystemExit):
            return


def _small_round(condition: Condition, splits: Splits, device: torch.device) -> None:
    training, chunk = condition.regime, prediction_chunk(device)
    one_step = training.model_copy(update={"epoch_draws": training.batch_size, "max_epochs": 1})
    labelled = _first(splits.train, condition.initial.size, device)
    validation = _first(splits.train, min(chunk, max(1, condition.validation_size)), device)
    fitted = condition.model.instance.fit(labelled, validation, one_step, device, torch.Generator())
    tested = _first(splits.test, chunk, device)
    evaluation_log_probs(fitted, tested.inputs, training.test_samples, training, torch.Generator())
    posterior = fitted.posterior(condition.posterior_samples, torch.Generator())
    posterior.log_probs(_first(splits.train, chunk, device).inputs)
    synchronise(device)


def _first(examples: Examples, count: int, device: torch.device) -> Examples:
    return examples.at(torch.arange(min(count, len(examples)))).to(device)
