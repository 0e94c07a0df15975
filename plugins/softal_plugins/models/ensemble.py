from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from softal_bench.contracts import BayesianModel, Examples, FittedModel, Posterior, TrainingRegime


@dataclass(frozen=True)
class Ensemble(BayesianModel):
    """A deep ensemble: another model fitted several times, each time with new initial weights and order of examples.

    The members are the posterior samples. Members with MC dropout also have their own masks; members of
    `mlp: {dropout: 0}` are the deterministic networks of the source.

    Costs `members` times the time and memory of a fit. A prediction costs as much as K samples of the model, drawn from
    up to K of the members.
    """

    of: BayesianModel = field(metadata={"meaning": "the model that each member is"})
    members: int = field(default=5, metadata={"meaning": "how many are fitted"})

    citation = "Lakshminarayanan, Pritzel and Blundell 2017, arXiv:1612.01474"

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ValueError(f"members is {self.members}; need at least 1")

    @property
    def offers(self) -> frozenset[str] | None:  # type: ignore[override]
        """What its members offer, except a head: the embeddings of all members are one vector."""
        return None if self.of.offers is None else self.of.offers - {"head"}

    @property
    def evaluation_samples(self) -> int:
        """The default number of samples: equally many from each member, and at least as many as the model needs."""
        return self.members * -(-self.of.evaluation_samples // self.members)

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        generators = _generators(generator, self.members)
        return FittedEnsemble([self.of.fit(labelled, validation, training, device, own) for own in generators])


class FittedEnsemble(FittedModel):
    """The fitted members of an ensemble.

    Attributes:
        epochs: the largest number of epochs of a member; None if a member does not report it.
        best_epoch: the largest best epoch of a member, so that distillation is long enough for every member.
    """

    def __init__(self, members: Sequence[FittedModel]) -> None:
        self.members = tuple(members)
        epochs = [member.epochs for member in members]
        self.epochs = None if None in epochs else max(one for one in epochs if one is not None)
        self.best_epoch = max(member.best_epoch for member in members)

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        """Draw K samples, of which sample k comes from member k mod M; the M members are in random order.

        For K = M, each member contributes one sample. For K < M, a random subset contributes one sample each. For
        K > M, the contributions differ by at most one. A member draws its samples together, with its own masks under MC
        dropout. Samples of deterministic members repeat, which does not change means over samples if K is a multiple
        of M.
        """
        order = torch.randperm(len(self.members), generator=generator)[:num_samples].tolist()
        counts = [len(range(first, num_samples, len(order))) for first in range(len(order))]
        drawn = [self.members[i].posterior(count, generator) for i, count in zip(order, counts, strict=True)]
        return _EnsemblePosterior(drawn)

    def embeddings(self, inputs: Tensor) -> Tensor:
        """Return the concatenated embeddings_n_D of all members: D is the sum of their dimensions."""
        return torch.cat([member.embeddings(inputs) for member in self.members], dim=1)

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> FittedModel:
        """Fit a new copy of each member to the same targets, with new initial weights and order of examples."""
        generators = _generators(generator, len(self.members))
        return FittedEnsemble(
            [
                member.distil(inputs, target_log_probs_N_C, epochs, training, own)
                for member, own in zip(self.members, generators, strict=True)
            ]
        )


class _EnsemblePosterior(Posterior):
    """M posteriors whose samples take turns: sample k comes from posterior k mod M."""

    def __init__(self, posteriors: Sequence[Posterior]) -> None:
        self._posteriors = posteriors

    @property
    def num_samples(self) -> int:
        return sum(posterior.num_samples for posterior in self._posteriors)

    def log_probs(self, inputs: Tensor) -> Tensor:
        parts = [posterior.log_probs(inputs) for posterior in self._posteriors]
        log_probs_n_K_C = parts[0].new_empty(len(inputs), self.num_samples, parts[0].shape[-1])
        for turn, log_probs_n_k_C in enumerate(parts):
            log_probs_n_K_C[:, turn :: len(parts)] = log_probs_n_k_C
        return log_probs_n_K_C


def _generators(generator: torch.Generator, members: int) -> list[torch.Generator]:
    """Return a generator for each member, all seeded before any is used, so that members do not affect each other."""
    return [
        torch.Generator().manual_seed(int(torch.randint(2**63 - 1, (), generator=generator))) for _ in range(members)
    ]
