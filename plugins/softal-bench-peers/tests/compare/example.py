"""An example of a comparison."""

from typing import Any

from softal_bench_peers.compare.records import Comparison


def comparison(**changes: Any) -> Comparison:
    """A comparison with ratio 10, unless changed."""
    given = {"work": "prediction", "setting": "K = 20", "peer": "another", "same_answer": True}
    seconds = {"peer_seconds": [10.0, 30.0, 20.0], "our_seconds": [2.0, 3.0, 1.0]}
    return Comparison(**(given | seconds | changes))
