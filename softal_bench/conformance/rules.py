"""Rules for plugins, checks of a plugin against a rule, and their results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

import torch

from softal_bench.machine.isolation import restored, snapshot
from softal_bench.machine.settings import GENERATORS, SETTINGS

S_contra = TypeVar("S_contra", contravariant=True)  # a rule for a type is also a rule for each of its subtypes
CPU = torch.device("cpu")


class Violation(Exception):
    """A plugin breaks a rule. The message states the input, the expected result and the actual result."""


class NotApplicable(Exception):
    """A rule does not apply to this plugin or cannot be checked here. The message says why."""


@dataclass(frozen=True)
class Rule(Generic[S_contra]):
    """A rule that every plugin of a kind has to follow.

    Attributes:
        name: a short identifier for lists of expected failures, such as `distinct_positions`.
        text: the rule as a sentence without its subject, which is the plugin.
        check: raises Violation if the plugin breaks the rule, and NotApplicable if the rule does not apply. Any other
            exception comes from the plugin and counts as a failure.
    """

    name: str
    text: str
    check: Callable[[S_contra], None]


@dataclass(frozen=True)
class Result:
    """The result of one check."""

    name: str
    rule: str
    status: Literal["passed", "failed", "skipped"]
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether the plugin breaks the rule."""
        return self.status == "failed"

    def __str__(self) -> str:
        return f"{self.status}: {self.name}: {self.rule}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class Check:
    """A rule bound to a plugin. It runs when it is called.

    Attributes:
        name: the name of the rule.
        rule: the text of the rule.
        run: `Rule.check`, bound to the plugin.
    """

    name: str
    rule: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """Run the check. Raise Violation, NotApplicable or the error that the plugin raises."""
        self.run()

    def result(self) -> Result:
        """Run the check and return its result."""
        try:
            self.run()
        except Violation as violation:
            return Result(self.name, self.rule, "failed", str(violation))
        except NotApplicable as reason:
            return Result(self.name, self.rule, "skipped", str(reason))
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            return Result(self.name, self.rule, "failed", f"raised {type(error).__name__}: {error}")
        return Result(self.name, self.rule, "passed")


def bind(rules: Sequence[Rule[S_contra]], subject: S_contra) -> list[Check]:
    """Bind rules to one subject, which they share. Each check restores the settings of the process that it changes."""

    def run(rule: Rule[S_contra]) -> None:
        with restored():
            rule.check(subject)

    return [Check(rule.name, rule.text, partial(run, rule)) for rule in rules]


def require(kept: bool, message: str) -> None:
    """Raise Violation unless `kept`."""
    if not kept:
        raise Violation(message)


def require_global_generators_untouched(run: Callable[[], object]) -> None:
    """Raise Violation if `run` changes the state of a global generator of torch, NumPy or Python."""
    before = snapshot(GENERATORS)
    run()
    changed = [change.setting.name for change in before.changes()]
    require(not changed, f"it changed the state of {' and '.join(changed)}")


def require_settings_untouched(run: Callable[[], object]) -> None:
    """Raise Violation if `run` changes a setting of the process that trials restore, after restoring it."""
    before = snapshot([setting for setting in SETTINGS if setting not in GENERATORS])
    run()
    changed = before.restore()
    require(not changed, f"it changed {'; '.join(map(str, changed))}")
