"""When the learning rate decays, and when training ends."""

import pytest
import torch
from torch import nn

from softal_bench.bayes import training
from softal_bench.bayes.mc_dropout import MCDropout
from softal_bench.bayes.training import Plateau, fit_mc_dropout
from softal_bench.contracts import Examples, TrainingRegime


def stages(patiences: list[int], results: list[float]) -> list[tuple[bool, int]]:
    plateau, seen = Plateau(patiences), []
    for result in results:
        if plateau.ended:
            break
        seen.append((plateau.is_best(result), plateau.stage))
    return seen


def test_a_single_patience_ends_training_after_that_many_epochs() -> None:
    assert stages([2], [1.0, 2.0, 2.0, 1.5, 9.0]) == [(True, 0), (True, 0), (False, 0), (False, 1)]


def test_the_count_restarts_at_each_patience_and_each_better_result() -> None:
    results = [1.0, 0.9, 0.9, 0.9, 2.0, 0.0, 0.0, 5.0]
    assert [stage for _, stage in stages([3, 2], results)] == [0, 0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize("patience", [[2, 1], [1, 1, 1]])
def test_the_learning_rate_decays_at_each_patience_except_the_last(
    patience: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    usual = training.training_step

    def noted(network: nn.Sequential, optimiser: torch.optim.Optimizer, *batch: torch.Tensor) -> torch.Tensor:
        rates.append(optimiser.param_groups[0]["lr"])  # an epoch is one step
        return usual(network, optimiser, *batch)

    monkeypatch.setattr(training, "training_step", noted)
    monkeypatch.setattr(training, "_validate", lambda *_: 1.0)  # the first epoch is the best
    examples = Examples(torch.randn(8, 4), torch.arange(8) % 2, 2)
    regime = TrainingRegime(epoch_draws=8, patience=patience, learning_rate=0.1, learning_rate_decay=0.5)
    fitted = fit_mc_dropout(
        lambda: nn.Sequential(nn.Linear(4, 4), MCDropout(4), nn.Linear(4, 2), nn.LogSoftmax(-1)),
        examples,
        examples,
        regime,
        torch.device("cpu"),
        torch.Generator(),
    )
    expected = [0.1, 0.1, 0.1, 0.05] if patience == [2, 1] else [0.1, 0.1, 0.05, 0.025]
    assert rates == pytest.approx(expected)
    assert fitted.best_epoch == 1
