"""What a check found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec

Arguments = ParamSpec("Arguments")


class Violation(Exception):
    """A plugin broke a rule; the message says on what input, what was expected and what came."""


@dataclass(frozen=True)
class Result:
    """One rule, and whether it is kept."""

    rule: str
    status: Literal["passed", "failed", "skipped"]
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether the rule is broken."""
        return self.status == "failed"

    def __str__(self) -> str:
        return f"{self.status}: {self.rule}" + (f": {self.detail}" if self.detail else "")


def run_checks(
    checks: Mapping[str, Callable[Arguments, None]], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> list[Result]:
    """Run each check; what it raises is its result."""
    return [_run(rule, check, *args, **kwargs) for rule, check in checks.items()]


def require(kept: bool, message: str) -> None:
    """Raise Violation unless the rule is kept."""
    if not kept:
        raise Violation(message)


def _run(rule: str, check: Callable[..., None], *args: Any, **kwargs: Any) -> Result:
    try:
        check(*args, **kwargs)
    except Violation as violation:
        return Result(rule, "failed", str(violation))
    except (Exception, SystemExit) as error:  # a plugin may raise anything
        return Result(rule, "failed", f"raised {type(error).__name__}: {error}")
    return Result(rule, "passed")
