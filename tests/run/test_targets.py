"""Target inputs: their source, that all methods of a trial share them, and the posterior that predicts them."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from suite.example import acquiring
from torch import Tensor

from softal_bench.contracts import AcquiredBatch, Pool, Posterior
from softal_bench.suite import TargetSet
from softal_bench.trial.attribution import PluginFailed

from .conftest import Loader
from .example import journals, of_kind, run
from .fake_plugins import FlatFit
from .numbered import CLASSES, SIZE, VALIDATION, Chooses, Numbered, Remembers, Setting, numbered_splits, numbers_in


@dataclass(frozen=True)
class NotesTargets(Chooses):
    """Takes the first points of the pool, and records the targets of each round."""

    targets: list[list[int]] = field(default_factory=list)

    needs = frozenset({"targets"})

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        self.targets.append(numbers_in(pool.targets))
        return super().select(pool, batch_size, generator)


def target_set(size: int, of: str) -> TargetSet:
    return TargetSet.model_validate({"size": size, "of": of})


@pytest.fixture
def noting(setting: Setting) -> Setting:
    """Return trials whose acquisition function records its targets, under a posterior that distinguishes examples."""
    return Setting(setting.base, NotesTargets(), Remembers(fit_as=Numbered))


def targets_of(noting: Setting) -> list[list[int]]:
    assert isinstance(noting.acquisition, NotesTargets)
    return noting.acquisition.targets


def test_the_default_targets_are_a_hundred_unlabelled_points_or_all_of_them(noting: Setting) -> None:
    noting.rounds()
    assert [len(targets) for targets in targets_of(noting)] == [58, 53, 48, 43, 38, 33]
    assert targets_of(noting) == noting.acquisition.pools
    larger = Setting(noting.base, NotesTargets(), Remembers(fit_as=Numbered))
    next(larger.trial(splits=numbered_splits(2 * SIZE)).rounds([]))
    assert len(targets_of(larger)[-1]) == 100


@pytest.mark.parametrize("of", ["pool", "validation", "test"])
def test_targets_are_distinct_inputs_from_the_requested_source(noting: Setting, of: str) -> None:
    noting.rounds(targets=target_set(5, of))
    source = {
        "pool": set(noting.acquisition.pools[0]),
        "validation": set(noting.model.validation[0]),
        "test": set(range(6)),
    }
    for targets in targets_of(noting):
        assert len(set(targets)) == len(targets) == 5
        assert set(targets) <= source[of]


@pytest.mark.parametrize(("of", "size"), [("validation", VALIDATION), ("test", 6)])
def test_all_inputs_of_a_small_set_are_targets(noting: Setting, of: str, size: int) -> None:
    noting.rounds(targets=target_set(1000, of))
    assert [len(set(targets)) for targets in targets_of(noting)] == [size] * 6


def test_targets_from_the_pool_are_unlabelled(noting: Setting) -> None:
    noting.rounds()
    for labelled, targets in zip(noting.model.labelled, targets_of(noting), strict=False):
        assert not set(labelled) & set(targets)


def test_targets_come_from_the_whole_pool_even_if_a_subset_is_scored(noting: Setting) -> None:
    noting.rounds(pool_subset=10)
    assert len(noting.acquisition.pools[0]) == 10
    assert len(targets_of(noting)[0]) == 58


def test_each_round_of_each_trial_draws_new_targets(noting: Setting) -> None:
    for number in (0, 1):
        list(noting.trial(number, targets=target_set(5, "validation")).rounds([]))
    assert len({tuple(targets) for targets in targets_of(noting)}) > 6


def test_all_methods_of_a_trial_have_the_same_targets(noting: Setting) -> None:
    def last_points(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        torch.rand(7, generator=generator)
        return AcquiredBatch(torch.arange(pool.size - batch_size, pool.size), torch.zeros(batch_size))

    other = Setting(noting.base, NotesTargets(last_points), Remembers(fit_as=Numbered))
    for of in ("pool", "validation", "test"):
        noting.rounds(targets=target_set(5, of))
        other.rounds(targets=target_set(5, of))
    assert noting.acquisition.pools[1] != other.acquisition.pools[1]
    assert targets_of(noting)[0] == targets_of(other)[0]
    assert targets_of(noting)[6:] == targets_of(other)[6:]


def test_labels_outside_the_labelled_set_do_not_affect_targets_or_batch(noting: Setting) -> None:
    def all_labels_turned(labels: Tensor) -> Tensor:
        return (labels + 1) % CLASSES

    splits = numbered_splits()
    other = numbered_splits(labels=all_labels_turned(splits.train.labels))
    acquired = [
        next(noting.trial(splits=data, targets=target_set(9, "pool")).rounds([])).acquired for data in (splits, other)
    ]
    assert targets_of(noting)[0] == targets_of(noting)[1]
    assert acquired[0] == acquired[1]


class RandomWeights(FlatFit):
    """A fit whose posterior samples have random weights, drawn from the generator."""

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        return LinearPosterior(torch.randn(num_samples, self.num_classes, generator=generator) / SIZE)


@dataclass(frozen=True)
class LinearPosterior(Posterior):
    weights_K_C: Tensor

    @property
    def num_samples(self) -> int:
        return len(self.weights_K_C)

    def log_probs(self, inputs: Tensor) -> Tensor:
        return (inputs[:, :1, None] * self.weights_K_C).log_softmax(dim=-1)


@dataclass(frozen=True)
class NeedsTargets(Chooses):
    needs = frozenset({"targets"})


def test_targets_and_pool_share_posterior_samples(setting: Setting) -> None:
    def compares(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        assert pool.targets.num_samples == pool.num_samples
        everywhere = torch.arange(pool.size)
        assert torch.equal(pool.targets.log_probs_at(everywhere), pool.log_probs_at(everywhere))
        return AcquiredBatch(everywhere[:batch_size], torch.zeros(batch_size))

    setting.acquisition = NeedsTargets(compares)
    setting.model = Remembers(fit_as=RandomWeights)
    line = next(setting.trial().rounds([]))
    assert (line.seconds["predict"] or 0) > 0
    assert set(line.seconds) == {"train", "evaluate", "select", "predict"}


def test_an_acquisition_function_that_does_not_declare_targets_has_none(setting: Setting) -> None:
    setting.acquisition = Chooses(lambda pool, size, generator: pool.targets)
    with pytest.raises(PluginFailed, match=r"'chooses\(label\)' raised LookupError: .*'targets'.*needs"):
        next(setting.trial(targets=TargetSet()).rounds([]))


@dataclass(frozen=True)
class BlindOutsideTest(FlatFit):
    """Predicts only on the test set, on which it is evaluated."""

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        return BlindPosterior(torch.zeros(num_samples, self.num_classes))


class BlindPosterior(LinearPosterior):
    def log_probs(self, inputs: Tensor) -> Tensor:
        if inputs.max() > 5:
            raise RuntimeError("no luck")
        return super().log_probs(inputs)


def test_an_error_in_a_model_at_targets_is_blamed_on_the_model(setting: Setting) -> None:
    setting.acquisition = NotesTargets()
    setting.model = Remembers(fit_as=BlindOutsideTest)
    with pytest.raises(PluginFailed, match=r"^model 'remembers' raised RuntimeError: no luck$"):
        next(setting.trial().rounds([]))


def test_epig_runs_on_digits_and_its_journal_records_the_target_set(load: Loader, tmp_path: Path) -> None:
    suite = load(matrix=acquiring("uniform", "epig"), targets={"size": 20, "of": "test"})
    assert run(suite, tmp_path / "runs") == {"done": 2}
    headers = {lines[0]["condition"]["acquisition"]["name"]: lines for lines in journals(tmp_path / "runs").values()}
    assert headers["epig"][0]["condition"]["targets"] == {"size": 20, "of": "test"}
    assert "targets" not in headers["uniform"][0]["condition"]
    starts = {tuple(lines[0]["start"]) for lines in headers.values()}
    assert len(starts) == 1
    rounds = of_kind(headers["epig"], "round")
    assert [line["labels"] for line in rounds] == [10, 15, 20, 25]
    assert [len(line["acquired"]) for line in rounds] == [5, 5, 5, 0]
    assert len({index for line in rounds for index in line["acquired"]}) == 15
