"""What every Bayesian model keeps to, checked on a toy problem that a line separates."""

from softal_bench.conformance.models import fits, posteriors
from softal_bench.conformance.models.toy import Toy
from softal_bench.conformance.rules import Rule

RULES: tuple[Rule[Toy], ...] = (*fits.RULES, *posteriors.RULES)

__all__ = ["RULES", "Toy"]
