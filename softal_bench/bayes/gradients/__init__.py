"""Loss and gradients of sequential networks, layer by layer.

The mathematics is autograd's without its bookkeeping: elementwise layers work in place, and gradients are written where
the optimiser reads them. On the CPU two of the costly layers have forms of their own, equal to rounding: a convolution
with large kernels and many channels (`fourier`), and a network's first convolution with the max-pooling after it
(`pooled`). All else runs on PyTorch's own kernels (`layers`).
"""

import torch
from torch import Tensor, nn

from softal_bench.bayes.gradients import pooled
from softal_bench.bayes.gradients.layers import Backward, is_written, outputs_and_backward
from softal_bench.bayes.gradients.losses import CrossEntropy, Distillation, Loss

__all__ = ["CrossEntropy", "Distillation", "Loss", "has_written_gradients", "loss_and_gradients"]


def has_written_gradients(network: nn.Module) -> bool:
    """Whether `loss_and_gradients` covers the network.

    It is an `nn.Sequential` that starts with a convolution or linear layer and ends in log-softmax over classes, with
    convolutions padded by zeros, linear, max-pooling, ReLU, flatten and MCDropout layers between, none of them twice.
    """
    if not isinstance(network, nn.Sequential) or len(network) < 2 or len(set(network)) < len(network):
        return False
    *body, last = network
    starts = isinstance(body[0], (nn.Conv2d, nn.Linear))
    ends = type(last) is nn.LogSoftmax and last.dim in (1, -1)
    return starts and ends and all(is_written(layer) for layer in body)


@torch.no_grad()
def loss_and_gradients(network: nn.Sequential, inputs_b: Tensor, loss: Loss) -> Tensor:
    """The loss of a batch in nats, a scalar. Its gradients replace the values of each parameter's grad.

    Args:
        network: one that `has_written_gradients`, in training; each parameter has a tensor in its `grad`.
        inputs_b: a batch on the network's device.
        loss: of the batch's log-probs.
    """
    logits_b_C, backwards = _forward(list(network)[:-1], inputs_b)
    log_probs_b_C = logits_b_C.log_softmax(dim=1)
    value = loss.value(log_probs_b_C)
    gradient = loss.logit_gradient(log_probs_b_C)
    for backward in reversed(backwards[1:]):
        gradient = backward(gradient, True)
    backwards[0](gradient, False)
    return value


def _forward(body: list[nn.Module], inputs_b: Tensor) -> tuple[Tensor, list[Backward]]:
    """The logits, and how to go back through the layers."""
    hidden = inputs_b
    backwards: list[Backward] = []
    if pooled.is_cheaper(body, inputs_b):
        first = pooled.PooledConvolution(body[0], body[1], inputs_b)  # type: ignore[arg-type]
        hidden, body = first.outputs(), body[2:]
        backwards.append(first.backward)
    for layer in body:
        hidden, backward = outputs_and_backward(layer, hidden)
        backwards.append(backward)
    return hidden, backwards
