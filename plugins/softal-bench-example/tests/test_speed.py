"""Compare the time of example with that of a control, which is work of similar size that does not use it."""

import torch
from softal_bench.conformance.timing import AgainstControl
from softal_bench.pools import TensorPool

from softal_bench_example.example import Example


def test_example(against_control: AgainstControl) -> None:
    log_probs_N_K_C = torch.randn(4000, 20, 10, generator=torch.Generator().manual_seed(0)).log_softmax(dim=-1)
    pool = TensorPool(log_probs_N_K_C)
    against_control(lambda: Example().scores(pool), lambda: log_probs_N_K_C.double().exp().mean(dim=1).square())
