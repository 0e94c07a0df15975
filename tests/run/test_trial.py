"""A trial: what it trains on, what it offers for acquisition, and how it uses the batch that is returned."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from softal_bench.contracts import (
    AcquiredBatch,
    Candidates,
    FittedModel,
    Pool,
    Posterior,
    Progress,
    TrainingRegime,
)
from softal_bench.errors import PredictionError, SelectionError, SuiteError
from softal_bench.journal.lines import Round
from softal_bench.pools import PosteriorPool
from softal_bench.suite import StartSet
from softal_bench.trial.attribution import Ended, PluginFailed, require_log_probs
from softal_bench.trial.data import load_splits
from softal_bench.trial.partition import num_rounds, require_feasible

from .conftest import Loader
from .fake_plugins import FlatFit, FlatPosterior
from .numbered import (
    CLASSES,
    SIZE,
    START,
    VALIDATION,
    Chooses,
    Numbered,
    Remembers,
    Setting,
    first,
    numbered_splits,
    numbers_in,
)


def test_the_labelled_set_grows_by_full_batches_until_the_budget_is_reached(setting: Setting) -> None:
    rounds = setting.rounds(batch_size=10)
    assert [line.labels for line in rounds] == [12, 22, 32, 42]
    assert [len(line.acquired) for line in rounds] == [10, 10, 10, 0]
    assert [line.round for line in rounds] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("budget", "batch_size", "rounds"), [(12, 5, 1), (13, 5, 2), (17, 5, 2), (18, 5, 3), (40, 28, 2), (40, 1, 29)]
)
def test_the_announced_number_of_rounds_is_run(setting: Setting, budget: int, batch_size: int, rounds: int) -> None:
    changes = {"budget": budget, "batch_size": batch_size}
    assert num_rounds(setting.condition(**changes)) == rounds
    assert len(setting.rounds(**changes)) == rounds


def test_every_round_trains_on_the_start_set_and_all_earlier_batches(setting: Setting) -> None:
    trial = setting.trial()
    labelled = list(trial.start)
    for number, line in enumerate(trial.rounds([])):
        assert setting.model.labelled[number] == labelled
        labelled += line.acquired


def test_no_index_is_acquired_twice_until_the_pool_is_used_up(setting: Setting) -> None:
    trial = setting.trial(batch_size=7, budget=START + 56)
    acquired = [index for line in trial.rounds([]) for index in line.acquired]
    everything = [*trial.start, *acquired]
    assert len(acquired) == 56
    assert len(set(everything)) == len(everything)
    assert set(everything) <= set(range(SIZE))


def test_the_start_set_and_the_pool_do_not_overlap_the_validation_set(setting: Setting) -> None:
    trial = setting.trial()
    list(trial.rounds([]))
    validation = set(setting.model.validation[0])
    assert len(validation) == VALIDATION
    assert len(set(trial.start)) == START
    assert not validation & set(trial.start)
    assert set(setting.acquisition.pools[0]) == set(range(SIZE)) - validation - set(trial.start)
    assert all(set(again) == validation for again in setting.model.validation)


def test_the_pool_has_all_unlabelled_indices_in_increasing_order(setting: Setting) -> None:
    trial = setting.trial()
    list(trial.rounds([]))
    for pool, labelled in zip(setting.acquisition.pools, setting.model.labelled, strict=False):
        assert pool == sorted(set(range(SIZE)) - set(setting.model.validation[0]) - set(labelled))


def test_positions_in_the_pool_are_mapped_to_indices(setting: Setting) -> None:
    setting.acquisition = Chooses(lambda pool, size, _: AcquiredBatch(torch.tensor([3, 0, 57, 9, 4]), torch.zeros(5)))
    line = next(setting.trial().rounds([]))
    pool = setting.acquisition.pools[0]
    assert line.acquired == [pool[position] for position in (3, 0, 57, 9, 4)]


def test_a_balanced_start_set_has_equal_class_counts(setting: Setting) -> None:
    for number in range(5):
        trial = setting.trial(number, initial=StartSet(size=START, balanced=True))
        assert sorted(index % CLASSES for index in trial.start) == [0] * 4 + [1] * 4 + [2] * 4


def test_an_unbalanced_start_set_is_drawn_regardless_of_the_classes(setting: Setting) -> None:
    counts = {tuple(sorted(index % CLASSES for index in setting.trial(number).start)) for number in range(10)}
    assert len(counts) > 1


def test_a_class_too_rare_for_a_balanced_start_set_is_an_error(setting: Setting) -> None:
    labels = torch.arange(SIZE) % 2
    labels[:3] = 2
    with pytest.raises(Ended, match="initial: a class has fewer than the 4 examples"):
        setting.trial(splits=numbered_splits(labels=labels), initial=StartSet(size=START, balanced=True))


def test_each_trial_has_its_own_start_set_and_validation_set(setting: Setting) -> None:
    starts = [setting.trial(number).start for number in range(3)]
    for number in range(3):
        next(setting.trial(number).rounds([]))
    assert len({tuple(sorted(start)) for start in starts}) == 3
    assert len({tuple(sorted(indices)) for indices in setting.model.validation}) == 3


def test_each_round_scores_a_different_pool_subset(setting: Setting) -> None:
    trial = setting.trial(pool_subset=15)
    list(trial.rounds([]))
    pools = setting.acquisition.pools
    assert [len(pool) for pool in pools] == [15] * len(pools)
    assert len({tuple(pool) for pool in pools}) == len(pools)
    taken = set(setting.model.validation[0]) | set(trial.start)
    assert all(not taken & set(pool) for pool in pools)


def test_a_pool_subset_is_the_same_for_every_method(setting: Setting) -> None:
    next(setting.trial(pool_subset=15).rounds([]))
    other = Setting(setting.base, Chooses(first))
    next(other.trial(pool_subset=15).rounds([]))
    assert other.acquisition.pools[0] == setting.acquisition.pools[0]


def test_the_whole_pool_is_scored_if_it_is_not_larger_than_the_subset(setting: Setting) -> None:
    list(setting.trial(pool_subset=50).rounds([]))
    assert [len(pool) for pool in setting.acquisition.pools] == [50, 50, 48, 43, 38, 33]


def test_a_trial_continues_after_the_rounds_that_it_is_given(setting: Setting) -> None:
    whole = setting.rounds()
    for done in range(len(whole) + 1):
        acquired = [line.acquired for line in whole[:done]]
        rest = [without_seconds(line) for line in setting.trial().rounds(acquired)]
        assert rest == [without_seconds(line) for line in whole[done:]]


def without_seconds(line: Round) -> Round:
    return replace(line, seconds={}, peak_bytes=None)


def test_seconds_are_reported_by_phase_and_selection_excludes_prediction(setting: Setting) -> None:
    def reads(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        for _ in pool.log_probs():
            pass
        return first(pool, batch_size, generator)

    setting.acquisition = Chooses(reads)
    rounds = setting.rounds()
    assert set(rounds[0].seconds) == {"train", "evaluate", "select", "predict"}
    assert all((seconds or 0) > 0 for line in rounds[:-1] for seconds in line.seconds.values())
    assert (rounds[-1].seconds["select"], rounds[-1].seconds["predict"]) == (0, 0)
    assert all((line.peak_bytes or 0) > 10**6 for line in rounds)


def batch(positions: Any, scores: Any = None) -> Callable[..., AcquiredBatch]:
    positions = torch.tensor(positions) if isinstance(positions, list) else positions
    scores = torch.zeros(5) if scores is None else scores
    return lambda *_: AcquiredBatch(positions, scores)


NAN_AT_2 = torch.tensor([0.0, 1.0, torch.nan, 0.0, 0.0])


@pytest.mark.parametrize(
    ("choose", "reason"),
    [
        (batch([0, 1, 2, 3]), r"positions are shape \(4,\); batch size 5 needs a tensor of shape \(5,\)"),
        (batch([0, 1, 2, 3, 4, 5]), r"positions are shape \(6,\)"),
        (batch([]), r"positions are shape \(0,\)"),
        (batch([[0, 1, 2, 3, 4]]), r"positions are shape \(1, 5\)"),
        (batch([0, 1, 2, 3, 3]), "position 3 was chosen 2 times; need distinct positions"),
        (batch([0, 1, 2, 3, 58]), "position 58 is outside the pool; allowed are 0 to 57"),
        (batch([0, 1, 2, 3, -1]), "position -1 is outside the pool; allowed are 0 to 57"),
        (batch([0.0, 1.0, 2.0, 3.0, 4.0]), r"positions are torch.float32 .* need int64"),
        (batch([True, False, True, False, True]), r"positions are torch.bool"),
        (batch((0, 1, 2, 3, 4)), "positions are a tuple"),
        (batch([0, 1, 2, 3, 4], torch.zeros(4)), r"scores are shape \(4,\)"),
        (batch([0, 1, 2, 3, 4], [0.0] * 5), "scores are a list"),
        (batch([0, 1, 2, 7, 4], NAN_AT_2), r"the score of pick 2 \(position 2\) is nan; scores have to be finite"),
        (batch([0, 1, 2, 7, 4], torch.full((5,), -torch.inf)), r"the score of pick 0 \(position 0\) is -inf; scores"),
        (lambda *_: [0, 1, 2, 3, 4], "select returned a list; it has to return an AcquiredBatch"),
        (lambda *_: None, "select returned a NoneType"),
    ],
)
def test_an_invalid_batch_fails_the_trial_with_the_plugin_s_label_and_the_reason(
    setting: Setting, choose: Callable[..., AcquiredBatch], reason: str
) -> None:
    setting.acquisition = Chooses(choose)
    with pytest.raises(PluginFailed, match=rf"^acquisition function 'chooses\(label\)': {reason}"):
        next(setting.trial().rounds([]))


def test_int32_positions_can_be_acquired(setting: Setting) -> None:
    setting.acquisition = Chooses(batch(torch.arange(5, dtype=torch.int32), torch.zeros(5)))
    assert len(next(setting.trial().rounds([])).acquired) == 5


def raising(error: BaseException) -> Callable[..., Any]:
    def raises(*_: Any) -> Any:
        raise error

    return raises


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("no luck"), r"'chooses\(label\)' raised RuntimeError: no luck"),
        (KeyError("k"), r"'chooses\(label\)' raised KeyError: 'k'"),
        (SystemExit(0), r"'chooses\(label\)' raised SystemExit: 0"),
        (AssertionError(), r"'chooses\(label\)' raised AssertionError: AssertionError"),
        (SelectionError("score of point 3 is NaN"), r"'chooses\(label\)': score of point 3 is NaN"),
    ],
    ids=repr,
)
def test_an_error_in_a_plugin_fails_the_trial_with_its_label_and_the_reason(
    setting: Setting, error: BaseException, told: str
) -> None:
    setting.acquisition = Chooses(raising(error))
    with pytest.raises(PluginFailed, match=f"^acquisition function {told}$") as failed:
        next(setting.trial().rounds([]))
    assert failed.value.__cause__ is error


@pytest.mark.parametrize("error", [MemoryError("x"), torch.OutOfMemoryError("x")], ids=repr)
def test_running_out_of_memory_names_the_plugin_but_is_not_its_failure(setting: Setting, error: Exception) -> None:
    setting.acquisition = Chooses(raising(error))
    with pytest.raises(MemoryError, match=r"chooses\(label\)"):
        next(setting.trial().rounds([]))


def test_an_interrupt_is_not_a_plugin_failure(setting: Setting) -> None:
    setting.acquisition = Chooses(raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        next(setting.trial().rounds([]))


@dataclass(frozen=True)
class UnreadablePosterior(Posterior):
    """A posterior that can be drawn but not read."""

    @property
    def num_samples(self) -> int:
        return 4

    def log_probs(self, inputs: Tensor) -> Tensor:
        raise RuntimeError("no luck")


@dataclass(frozen=True)
class FailsToAcquire(FittedModel):
    """Evaluates with 2 samples, but what it draws for the acquisition function, with 4, is unusable."""

    drawn: Callable[[], Posterior]

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        return FlatFit(CLASSES).posterior(num_samples, generator) if num_samples == 2 else self.drawn()


@pytest.mark.parametrize(
    "fit_as",
    [
        raising(RuntimeError("no luck")),
        lambda _: FailsToAcquire(raising(RuntimeError("no luck"))),
        lambda _: FailsToAcquire(UnreadablePosterior),
    ],
    ids=["in fit", "in drawing the posterior", "in prediction on the pool"],
)
def test_an_error_in_a_model_is_blamed_on_the_model(setting: Setting, fit_as: Callable[[int], FittedModel]) -> None:
    setting.acquisition = Chooses(lambda pool, size, _: [*pool.log_probs()] and first(pool, size, _))
    setting.model = Remembers(fit_as=fit_as)
    with pytest.raises(PluginFailed, match=r"^model 'remembers' raised RuntimeError: no luck$"):
        next(setting.trial().rounds([]))


def test_a_model_that_predicts_nan_fails_the_trial(setting: Setting) -> None:
    setting.model = Remembers(fit_as=lambda classes: FlatFit(classes, value=torch.nan))
    with pytest.raises(PluginFailed, match=r"^model 'remembers'.*(NaN|nan|finite)"):
        next(setting.trial().rounds([]))


class LateFault(FlatPosterior):
    """Predicts correctly except for the example with this number, whose log-probs `fault` changes."""

    def __init__(self, num_samples: int, number: int, fault: Callable[[Tensor], Tensor]) -> None:
        super().__init__(num_samples, CLASSES)
        self._number = number
        self._fault = fault

    def log_probs(self, inputs: Tensor) -> Tensor:
        log_probs_n_K_C = super().log_probs(inputs)
        at_fault_n = inputs[:, 0] == self._number
        log_probs_n_K_C[at_fault_n] = self._fault(log_probs_n_K_C[at_fault_n])
        return log_probs_n_K_C


@pytest.mark.parametrize(
    ("fault", "amount"),
    [
        (lambda log_probs: log_probs + 0.01, r"log-sum-exp is 0\.01; it must be 0 to within"),
        (lambda log_probs: log_probs - 0.01, r"log-sum-exp is -0\.01; it must be"),
        (lambda log_probs: log_probs * 0 + 2, r"is 3\.099 \(the largest log-prob is 2, above 0\); it must be"),
        (lambda log_probs: log_probs * torch.nan, "is NaN for class 0"),
        (lambda log_probs: log_probs * 0 - torch.inf, "log-sum-exp is -inf; it must be"),
    ],
    ids=["above 1", "below 1", "logits", "NaN", "no class"],
)
def test_invalid_log_probs_fail_the_trial_and_name_the_model_the_point_and_the_amount(
    setting: Setting, fault: Callable[[Tensor], Tensor], amount: str
) -> None:
    """This holds even if an acquisition function, which is not to blame, reads them."""
    setting.acquisition = Chooses(lambda pool, size, _: [*pool.log_probs()] and first(pool, size, _))
    list(setting.trial().rounds([]))
    number = setting.acquisition.pools[0][17]
    setting.model = Remembers(fit_as=lambda _: FailsToAcquire(lambda: LateFault(4, number, fault)))
    message = rf"^model 'remembers': the prediction of point {number} under posterior sample 0 .*{amount}"
    with pytest.raises(PluginFailed, match=message):
        next(setting.trial().rounds([]))


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
def test_float32_log_softmax_is_within_the_tolerance(scale: float) -> None:
    logits = scale * torch.randn(50, 4, 1000, generator=torch.Generator().manual_seed(0))
    require_log_probs(logits.log_softmax(dim=-1), "model 'm'")
    require_log_probs(torch.tensor([[[0.0, -torch.inf]]]), "model 'm'")
    with pytest.raises(PredictionError, match=r"predicted shape \(50, 1000\); log_probs must return"):
        require_log_probs(logits[:, 0], "model 'm'")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation_size": 79}, r"validation_size: digits has 90 training examples; 79 for validation and 12 at"),
        ({"batch_size": 59, "budget": 13}, "batch_size: 59 is larger than the pool: .* 58 of them in the pool"),
        ({"budget": 71, "batch_size": 20}, "budget: 71 labels in batches of 20 need more than the pool's 58"),
        ({"budget": 1000}, "budget: 1000 labels in batches of 5 need more than the pool's 58"),
        ({"initial": StartSet(size=10, balanced=True)}, "initial.size: 10 cannot be balanced over 3 classes"),
    ],
    ids=str,
)
def test_a_condition_that_needs_more_data_than_exist_is_not_feasible(
    setting: Setting, changes: dict[str, Any], message: str
) -> None:
    require_feasible(setting.condition(), numbered_splits())
    with pytest.raises(SuiteError, match=message):
        require_feasible(setting.condition(**changes), numbered_splits())


@pytest.mark.parametrize(
    "changes", [{"budget": 70, "batch_size": 29}, {"batch_size": 58, "budget": 13}, {"validation_size": 73}], ids=str
)
def test_a_condition_that_uses_the_last_point_of_the_pool_is_feasible_and_runs(
    setting: Setting, changes: dict[str, Any]
) -> None:
    changes = {"budget": START + 5} | changes
    require_feasible(setting.condition(**changes), numbered_splits())
    assert setting.rounds(**changes)[-1].labels >= changes["budget"]


def test_a_class_that_is_always_too_rare_for_a_balanced_start_set_is_not_feasible(setting: Setting) -> None:
    labels = torch.arange(SIZE) % 2
    labels[:3] = 2
    with pytest.raises(SuiteError, match="initial"):
        require_feasible(setting.condition(initial=StartSet(size=START, balanced=True)), numbered_splits(labels=labels))


def test_the_trial_determines_the_randomness_of_the_data(load: Loader, tmp_path: Path) -> None:
    condition = load(dataset={"repeated": {"of": "digits"}}).conditions[0]
    once, again, other = (load_splits(condition, trial, tmp_path).train.inputs for trial in (0, 0, 1))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


class Distils(FlatFit):
    """Records what it is distilled on."""

    best_epoch = 3

    def __init__(self) -> None:
        super().__init__(CLASSES)
        object.__setattr__(self, "calls", [])

    calls: list[tuple[list[int], Tensor, int]]

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> FittedModel:
        self.calls.append(([int(number) for number in inputs[:, 0]], target_log_probs_N_C, epochs))
        return Numbered(self.num_classes)


@dataclass(frozen=True)
class WantsEvaluation(Chooses):
    needs = frozenset({"evaluation"})


def reads_evaluation(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    assert pool.evaluation is pool.evaluation
    assert (pool.evaluation.size, pool.evaluation.num_samples) == (pool.size, pool.num_samples)
    positions_B = torch.arange(batch_size)
    assert isinstance(pool, PosteriorPool)
    assert numbers_in(pool.evaluation)[:batch_size] == pool.indices(positions_B)
    return AcquiredBatch(positions_B, torch.zeros(batch_size))


def test_the_evaluation_posterior_is_distilled_on_labelled_set_and_pool_for_best_epoch_epochs(
    setting: Setting,
) -> None:
    model = Distils()
    setting.acquisition = WantsEvaluation(reads_evaluation)
    setting.model = Remembers(fit_as=lambda _: model)
    rounds = setting.rounds(budget=START + 5)
    ((inputs, targets_N_C, epochs),) = model.calls  # once: the last round acquires nothing
    assert inputs == [*setting.model.labelled[0], *setting.acquisition.pools[0]]
    assert torch.allclose(targets_N_C, torch.full((len(inputs), CLASSES), 1 / CLASSES).log())
    assert epochs == 3
    assert (rounds[0].seconds["distil"] or 0) > 0
    assert "distil" not in rounds[1].seconds


def test_a_trial_that_does_not_read_the_evaluation_posterior_never_trains_it(setting: Setting) -> None:
    model = Distils()
    setting.model = Remembers(fit_as=lambda _: model)
    rounds = setting.rounds(budget=START + 5)
    assert model.calls == []
    assert all("distil" not in line.seconds for line in rounds)


def test_a_model_that_cannot_be_distilled_fails_the_trial_that_needs_it(setting: Setting) -> None:
    setting.acquisition = WantsEvaluation(reads_evaluation)
    with pytest.raises(PluginFailed, match=r"^model 'remembers' raised NotImplementedError: FlatFit cannot be distil"):
        next(setting.trial().rounds([]))


def counting(epochs: object, best_epoch: object) -> Callable[[int], FittedModel]:
    """Return a function that makes fits with these epochs."""

    def fit_as(num_classes: int) -> FittedModel:
        fitted = FlatFit(num_classes)
        object.__setattr__(fitted, "epochs", epochs)
        object.__setattr__(fitted, "best_epoch", best_epoch)
        return fitted

    return fit_as


@pytest.mark.parametrize(("epochs", "best_epoch"), [(5, 3), (4, 4), (None, 3)])
def test_a_round_s_line_records_the_training_epochs_and_the_batch_scores(
    setting: Setting, epochs: int | None, best_epoch: int
) -> None:
    setting.model = Remembers(fit_as=counting(epochs, best_epoch))
    setting.acquisition = Chooses(lambda pool, size, _: AcquiredBatch(torch.arange(size), torch.arange(size) / 2))
    first_round, last_round = setting.rounds(budget=START + 3, batch_size=3)
    assert (first_round.epochs, first_round.best_epoch) == (epochs, best_epoch)
    assert first_round.scores == [0.0, 0.5, 1.0]
    assert last_round.scores == []


@pytest.mark.parametrize(
    ("epochs", "best_epoch", "told"),
    [
        (5, 0, "best_epoch is 0; it must be a whole number, at least 1"),
        (5, 2.0, "best_epoch is 2.0; it must"),
        (True, 1, "epochs is True; it must be"),
        (2, 3, "best_epoch is 3, larger than epochs, 2"),
    ],
)
def test_invalid_epochs_fail_the_trial_and_name_the_model(
    setting: Setting, epochs: object, best_epoch: object, told: str
) -> None:
    setting.model = Remembers(fit_as=counting(epochs, best_epoch))
    with pytest.raises(PluginFailed, match=f"^model 'remembers': {told}"):
        next(setting.trial().rounds([]))


@dataclass(frozen=True)
class NeedsSamples(Remembers):
    """A model whose test predictions need this many posterior samples."""

    samples: Any = 7

    @property
    def evaluation_samples(self) -> int:
        return self.samples  # type: ignore[no-any-return]


def test_a_model_sets_the_number_of_test_samples_unless_the_suite_does(setting: Setting) -> None:
    setting.model = NeedsSamples()
    assert setting.condition().training.evaluation_samples == 2  # as in the suite's file
    silent = setting.condition().training.model_copy(update={"evaluation_samples": None})
    assert setting.condition(training=silent).regime.test_samples == 7
    assert setting.condition(training=silent).regime.samples_in_training == 7
    assert setting.condition().regime.test_samples == 2
    fewer = silent.model_copy(update={"validation_samples": 3})
    assert setting.condition(training=fewer).regime.samples_in_training == 3


@pytest.mark.parametrize("samples", [0, 2.5, None])
def test_an_invalid_number_of_samples_fails_the_trial_and_names_the_model(setting: Setting, samples: Any) -> None:
    setting.model = NeedsSamples(samples=samples)
    silent = setting.condition().training.model_copy(update={"evaluation_samples": None})
    with pytest.raises(PluginFailed, match=r"^model 'remembers' raised ValueError: evaluation_samples is"):
        next(setting.trial(training=silent).rounds([]))


@dataclass(frozen=True)
class ReadsAll(Chooses):
    needs = frozenset({"labelled", "features", "inputs"})


def test_the_pool_reports_the_progress_of_the_trial_and_the_labels_of_its_labelled_set(setting: Setting) -> None:
    seen: list[tuple[Progress, list[int], list[int]]] = []

    def note(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        seen.append((pool.progress, pool.labelled.indices_L.tolist(), pool.labelled.labels_L.tolist()))
        assert torch.equal(pool.features()[:, 0], pool.indices_N.float())  # inputs that are vectors are features
        assert pool.inputs_at(torch.tensor([2])).tolist() == [[pool.indices_N[2]]]
        return first(pool, batch_size, generator)

    setting.acquisition = ReadsAll(note)
    setting.rounds(batch_size=10)
    assert [progress for progress, _, _ in seen] == [
        Progress(round=number, num_labelled=START + 10 * number, budget=40, batch_size=10) for number in range(3)
    ]
    for (_, indices, labels), labelled in zip(seen, setting.model.labelled, strict=False):
        assert indices == labelled
        assert labels == [index % CLASSES for index in labelled]


def test_what_is_computed_once_is_the_same_in_a_trial_that_resumes(setting: Setting) -> None:
    drawn: list[Tensor] = []

    def draw(candidates: Candidates, generator: torch.Generator) -> Tensor:
        drawn.append(candidates.indices_M)
        return torch.rand(SIZE, generator=generator)

    def by_rank(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        best = pool.once("ranks", draw)[pool.indices_N].topk(batch_size)
        return AcquiredBatch(best.indices, best.values)

    setting.acquisition = Chooses(by_rank)
    acquired = [line.acquired for line in setting.trial().rounds([])]
    assert len(drawn) == 1
    assert len(drawn[0]) == SIZE - VALIDATION
    assert [line.acquired for line in setting.trial().rounds(acquired[:2])] == acquired[2:]
    assert len(drawn) == 2
    assert [line.acquired for line in setting.trial(1).rounds([])] != acquired
