"""The gate for a prediction of the LeNet with K = 20 consistent masks."""

from softal_plugins.models.lenet5 import LeNet5

from benchmarks.controls import drawn, matrix_product, seeded
from softal_bench.bayes.mc_dropout import FittedMCDropout
from softal_bench.conformance.timing import AgainstControl


def test_prediction(against_control: AgainstControl) -> None:
    posterior = FittedMCDropout(LeNet5().network(10)).posterior(20, seeded())
    inputs = drawn(32, 1, 28, 28)
    against_control(lambda: posterior.log_probs(inputs), matrix_product(1024, 1024, 512))
