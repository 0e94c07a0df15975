"""What models check before they are fitted."""

from softal_bench.contracts import Examples
from softal_bench.errors import DataError


def require_dropout(dropout: float) -> None:
    """Raise ValueError unless it is a probability at which a layer drops some of its outputs, but not all."""
    if not 0 < dropout < 1:
        raise ValueError(f"dropout is {dropout}; it must be above 0 and below 1")


def require_shape(model: str, shape: tuple[int, ...], examples: Examples) -> None:
    """Raise DataError unless each input has this shape."""
    given = tuple(examples.inputs.shape[1:])
    if given != shape:
        raise DataError(f"{model} takes inputs of shape {shape}; this data set has {given}")
