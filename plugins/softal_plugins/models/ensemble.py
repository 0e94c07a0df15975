from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from softal_bench.contracts import BayesianModel, Examples, FittedModel, Posterior, TrainingRegime


@dataclass(frozen=True)
class Ensemble(BayesianModel):
    """A deep ensemble: another model fitted several times, each from initial weights and in an order of its own.

    Its members are its posterior samples. Members of a model with MC dropout bring masks of their own; members of
    `mlp: {dropout: 0}` are the deterministic networks of the source.

    Costs `members` times the time and memory of a fit. Prediction costs what K samples of the model cost, drawn from as
    many as K of the members.
    """

    of: BayesianModel = field(metadata={"meaning": "the model that each member is"})
    members: int = field(default=5, metadata={"meaning": "how many are fitted"})

    citation = "Lakshminarayanan, Pritzel and Blundell 2017, arXiv:1612.01474"

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ValueError(f"members is {self.members}; need at least 1")

    @property
    def evaluation_samples(self) -> int:
        """One of each member, or as many more as members with samples of their own need together."""
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
    """The fitted members.

    Attributes:
        epochs: the largest of the members'; None if a member does not say.
        best_epoch: the largest of the members', so that distillation is brief for none of them.
    """

    def __init__(self, members: Sequence[FittedModel]) -> None:
        self.members = tuple(members)
        epochs = [member.epochs for member in members]
        self.epochs = None if None in epochs else max(one for one in epochs if one is not None)
        self.best_epoch = max(member.best_epoch for member in members)

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        """Sample k is one of member k mod M, the M members being put in random order.

        So of K = M samples each member gives one, of fewer a random part of them gives one each, and of more the
        members give as many each, to one. A member draws its samples together: masks of its own under MC dropout. Of
        deterministic members the samples repeat, which leaves means over samples as they are where K is a multiple
        of M.
        """
        order = torch.randperm(len(self.members), generator=generator)[:num_samples].tolist()
        counts = [len(range(first, num_samples, len(order))) for first in range(len(order))]
        drawn = [self.members[i].posterior(count, generator) for i, count in zip(order, counts, strict=True)]
        return _EnsemblePosterior(drawn)

    def embeddings(self, inputs: Tensor) -> Tensor:
        """embeddings_n_D of all members side by side: D is the sum of theirs."""
        return torch.cat([member.embeddings(inputs) for member in self.members], dim=1)

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> FittedModel:
        """As many fresh members, each fitted to the same targets, from initial weights and in an order of its own."""
        generators = _generators(generator, len(self.members))
        return FittedEnsemble(
            [
                member.distil(inputs, target_log_probs_N_C, epochs, training, own)
                for member, own in zip(self.members, generators, strict=True)
            ]
        )


class _EnsemblePosterior(Posterior):
    """Posteriors whose samples take turns: sample k is one of number k mod (their number)."""

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
    """A generator for each member, all drawn before the first is used, so that members do not depend on each other."""
    return [
        torch.Generator().manual_seed(int(torch.randint(2**63 - 1, (), generator=generator))) for _ in range(members)
    ]
