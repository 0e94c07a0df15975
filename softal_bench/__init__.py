"""softal-bench: what an acquisition function buys in labels and costs in seconds.

Importing this package is cheap: nothing here imports torch. The parts are imported by their own names, for example
``from softal_bench.contracts import OneSampleScore`` or ``from softal_bench.registry import acquisitions``.
"""

__version__ = "0.1.0"
