"""How much floating-point work an evaluation leaves."""

from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from softal_bench.contracts import Posterior


def flops_per_input(posterior: Posterior, inputs: Tensor) -> float:
    """Floating-point operations of matrix products and convolutions for one of the inputs and all K samples.

    A multiplication and an addition count as two. It is counted while the posterior predicts the inputs, so it includes
    what fills up batches; element-wise work and copies are left out.
    """
    with FlopCounterMode(display=False) as counter:
        posterior.log_probs(inputs)
    return float(counter.get_total_flops() / len(inputs))
