"""A rule, the check of one plugin against it, and what came of that."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np
import torch

S = TypeVar("S")


class Violation(Exception):
    """A plugin broke a rule; the message says on what input, what was expected and what came."""


class NotApplicable(Exception):
    """A rule says nothing of this plugin, or cannot be checked here; the message says why."""


@dataclass(frozen=True)
class Rule(Generic[S]):
    """What every plugin of a kind keeps to.

    Attributes:
        name: short, for lists of expected failures: `distinct_positions`.
        text: the rule as a sentence without its subject.
        check: raises Violation where it is broken, NotApplicable where it says nothing; anything else that it raises is
            the plugin's, and a failure too.
    """

    name: str
    text: str
    check: Callable[[S], None]


@dataclass(frozen=True)
class Result:
    """One rule, and whether it is kept."""

    name: str
    rule: str
    status: Literal["passed", "failed", "skipped"]
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether the rule is broken."""
        return self.status == "failed"

    def __str__(self) -> str:
        return f"{self.status}: {self.name}: {self.rule}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class Check:
    """A rule bound to a plugin; nothing happens until it is called.

    Attributes:
        name, rule: the rule's name and text.
        run: as `Rule.check`, without an argument.
    """

    name: str
    rule: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """Raise Violation, NotApplicable or what the plugin raises."""
        self.run()

    def result(self) -> Result:
        """What came of it."""
        try:
            self.run()
        except Violation as violation:
            return Result(self.name, self.rule, "failed", str(violation))
        except NotApplicable as reason:
            return Result(self.name, self.rule, "skipped", str(reason))
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            return Result(self.name, self.rule, "failed", f"raised {type(error).__name__}: {error}")
        return Result(self.name, self.rule, "passed")


def bound(rules: Sequence[Rule[S]], subject: S) -> list[Check]:
    """The rules bound to one subject, which they share."""
    return [Check(rule.name, rule.text, lambda rule=rule: rule.check(subject)) for rule in rules]  # type: ignore[misc]


def require(kept: bool, message: str) -> None:
    """Raise Violation unless the rule is kept."""
    if not kept:
        raise Violation(message)


def require_global_generators_untouched(run: Callable[[], object]) -> None:
    """Raise Violation if running it moves a global generator of torch, NumPy or Python."""
    before = _global_states()
    run()
    moved = [name for name, state in _global_states().items() if state != before[name]]
    require(not moved, f"the global generator of {' and '.join(moved)} was used or left in another state")


def _global_states() -> dict[str, bytes]:
    legacy = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "NumPy": repr((legacy["state"]["key"].tobytes(), legacy["state"]["pos"])).encode(),
        "Python": repr(random.getstate()).encode(),
    }
