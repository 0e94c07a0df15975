"""The rules for acquisition functions, checked on small pools that offer exactly what `needs` declares."""

from softal_bench.conformance.acquisitions import batches, extremes, growth
from softal_bench.conformance.rules import Rule
from softal_bench.contracts import AcquisitionFunction

RULES: tuple[Rule[AcquisitionFunction], ...] = (*batches.RULES, *extremes.RULES, *growth.RULES)
