"""Losses of log-probs, with their gradients with respect to the logits."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.nn import functional


class Loss(Protocol):
    """A loss of a batch's log-probs, in nats: a mean over its n inputs."""

    def value(self, log_probs_n_C: Tensor) -> Tensor:
        """The loss, a scalar; autograd can go through it."""

    def logit_gradient(self, log_probs_n_C: Tensor) -> Tensor:
        """Its gradient with respect to the logits, [n, C]; may be written where the log-probs are."""


@dataclass(frozen=True)
class CrossEntropy:
    """Mean of -log p(labels_n | inputs)."""

    labels_n: Tensor

    def value(self, log_probs_n_C: Tensor) -> Tensor:
        return functional.nll_loss(log_probs_n_C, self.labels_n)

    def logit_gradient(self, log_probs_n_C: Tensor) -> Tensor:
        one_hot_n_C = functional.one_hot(self.labels_n, log_probs_n_C.shape[1])
        return log_probs_n_C.exp_().sub_(one_hot_n_C).div_(len(self.labels_n))


@dataclass(frozen=True)
class Distillation:
    """Mean over inputs of sum_c exp(t_c) (t_c - log q_c) for targets t, which need not be normalised.

    Where they are, it is the Kullback-Leibler divergence of the predictions q from the targets.
    """

    target_log_probs_n_C: Tensor

    def value(self, log_probs_n_C: Tensor) -> Tensor:
        return functional.kl_div(log_probs_n_C, self.target_log_probs_n_C, reduction="batchmean", log_target=True)

    def logit_gradient(self, log_probs_n_C: Tensor) -> Tensor:
        targets_n_C = self.target_log_probs_n_C.exp()
        total_n_1 = targets_n_C.sum(dim=1, keepdim=True)
        return log_probs_n_C.exp_().mul_(total_n_1).sub_(targets_n_C).div_(len(targets_n_C))
