"""A rule, the check of one plugin against it, and what came of that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

from softal_bench.machine.isolation import restored, snapshot
from softal_bench.machine.settings import GENERATORS, SETTINGS

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
    """The rules bound to one subject, which they share. What a check changes of the process is restored after it."""

    def run(rule: Rule[S]) -> None:
        with restored():
            rule.check(subject)

    return [Check(rule.name, rule.text, partial(run, rule)) for rule in rules]


def require(kept: bool, message: str) -> None:
    """Raise Violation unless the rule is kept."""
    if not kept:
        raise Violation(message)


def require_global_generators_untouched(run: Callable[[], object]) -> None:
    """Raise Violation if running it moves a global generator of torch, NumPy or Python."""
    before = snapshot(GENERATORS)
    run()
    moved = [change.setting.name for change in before.changes()]
    require(not moved, f"{' and '.join(moved)} was used or left in another state")


def require_settings_untouched(run: Callable[[], object]) -> None:
    """Raise Violation if running it changes a setting of the process that a trial would restore; restores it."""
    before = snapshot([setting for setting in SETTINGS if setting not in GENERATORS])
    run()
    changed = before.restore()
    require(not changed, f"it changed {'; '.join(map(str, changed))}")
