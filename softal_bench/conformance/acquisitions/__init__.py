"""What every acquisition function keeps to, checked on small pools that offer what it declares to need."""

from softal_bench.conformance.acquisitions import batches, extremes, growth, invariance, randomness
from softal_bench.conformance.rules import Rule
from softal_bench.contracts import AcquisitionFunction

RULES: tuple[Rule[AcquisitionFunction], ...] = (
    *batches.RULES,
    *randomness.RULES,
    *invariance.RULES,
    *extremes.RULES,
    *growth.RULES,
)
