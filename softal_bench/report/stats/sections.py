"""Conditions arranged for a page: a section for each combination of what varies besides method and B."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from softal_bench.records.trials import ConditionResults, Results
from softal_bench.registry.parameters import value_text
from softal_bench.suite import AnyCondition

IN_THE_TABLES = ("acquisition", "batch_size")


@dataclass(frozen=True)
class Section:
    """Conditions that differ in acquisition function and acquisition batch size only.

    Attributes:
        heading: the values of the other varied keys, such as `training.patience = 3`; empty where nothing
            else varies.
        cells: the results by the acquisition function's label and B; combinations not in the suite are
            absent.
    """

    heading: str
    cells: dict[tuple[str, int], ConditionResults]

    @cached_property
    def labels(self) -> list[str]:
        """Labels of the acquisition functions, in the suite's order."""
        return list(dict.fromkeys(label for label, _ in self.cells))

    @cached_property
    def batch_sizes(self) -> list[int]:
        """The acquisition batch sizes, ascending."""
        return sorted({batch_size for _, batch_size in self.cells})

    @property
    def any_done(self) -> bool:
        """Whether any trial of the section is done."""
        return any(cell.done for cell in self.cells.values())


def sections(results: Results) -> list[Section]:
    """Group the conditions of a suite into sections, both in the suite's order."""
    keys = [key for key in results.suite.varied if key not in IN_THE_TABLES]
    grouped: dict[str, dict[tuple[str, int], ConditionResults]] = {}
    for cell in results.conditions:
        condition = cell.condition
        heading = ", ".join(f"{key} = {value_text(condition.value(key))}" for key in keys)
        grouped.setdefault(heading, {})[condition.acquisition.label, condition.batch_size] = cell
    return [Section(heading, cells) for heading, cells in grouped.items()]


def all_labels(conditions: Iterable[AnyCondition]) -> list[str]:
    """Return the labels of the acquisition functions of conditions, each once, in their order."""
    return list(dict.fromkeys(condition.acquisition.label for condition in conditions))
