"""Whether what an entry point loads can be used as a plugin of its kind."""

import inspect
from typing import Any

from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset, OneSampleScore
from softal_bench.registry.parameters import annotations_of

NEEDS = frozenset({"embeddings", "labelled", "targets", "evaluation"})  # see `AcquisitionFunction.needs`
CALLED = {
    AcquisitionFunction: ("select",),
    OneSampleScore: ("score_chunk", "scores"),
    BayesianModel: ("fit",),
    Dataset: ("prepare", "load"),
}


def why_unsound(loaded: Any, contract: type) -> str | None:
    """Why what an entry point loads is no plugin of this contract, or None where it is one."""
    if not inspect.isclass(loaded) or not issubclass(loaded, contract):
        return f"{loaded!r} is no subclass of {contract.__name__}"
    if inspect.isabstract(loaded):
        return f"{loaded.__name__} does not implement {', '.join(sorted(vars(loaded)['__abstractmethods__']))}"
    if issubclass(loaded, OneSampleScore) and not _implements_scores(loaded):
        return f"{loaded.__name__} implements neither score_chunk nor scores; implement one of them"
    if "__dataclass_params__" not in vars(loaded) or not vars(loaded)["__dataclass_params__"].frozen:
        return f"{loaded.__name__} is no frozen dataclass; decorate it with @dataclass(frozen=True)"
    return _why_needs_unsound(loaded) or _why_signatures_unsound(loaded) or _why_annotations_unsound(loaded)


def _implements_scores(loaded: type[OneSampleScore]) -> bool:
    return loaded.scores is not OneSampleScore.scores or loaded.score_chunk is not OneSampleScore.score_chunk


def _why_needs_unsound(loaded: type) -> str | None:
    needs: Any = getattr(loaded, "needs", frozenset())
    if isinstance(needs, property) or (isinstance(needs, frozenset) and needs <= NEEDS):
        return None
    return f"the `needs` of {loaded.__name__} is {needs!r}; it has to be a frozenset of {', '.join(sorted(NEEDS))}"


def _why_signatures_unsound(loaded: type) -> str | None:
    """Why a method that the harness calls cannot take what the harness gives it, by position."""
    for contract, names in CALLED.items():
        for name in names if issubclass(loaded, contract) else ():
            given = list(inspect.signature(getattr(contract, name)).parameters)
            signature = inspect.signature(getattr(loaded, name))
            try:
                signature.bind(*given)
            except TypeError as error:
                call = f"{name}({', '.join(given[1:])})"
                return f"{loaded.__name__}.{name}{signature} cannot be called as {call}: {error}"
    return None


def _why_annotations_unsound(loaded: type) -> str | None:
    try:
        annotations_of(loaded)
    except Exception as error:
        return f"the annotations of {loaded.__name__} cannot be read: {type(error).__name__}: {error}"
    return None
