"""Global state of the process that affects numbers or their timing, and that a plugin must not change.

A plugin that sets torch's matmul precision, say, would silently change the results of every later trial in the process.
The harness therefore takes a snapshot before each call into a plugin. Afterwards it restores what has changed and fails
the trial of that plugin.

Importing a library may draw from global generators, add environment variables and add warning filters
(scikit-learn does all three). In a call that imports modules, such changes do not fail the trial. The generators are
still restored; variables and filters stay, since the library may need them.

A full snapshot and its comparison take less than 1 ms, mostly for the states of the generators; with `FREQUENT` alone
they take less than 0.1 ms.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from softal_bench.errors import GlobalStateError
from softal_bench.machine.settings import CHANGING_NUMBERS, GENERATORS, SETTINGS, Setting

_PASSES = 3  # restoring one setting of torch may change another, which is then restored in the next pass


@dataclass(frozen=True)
class Change:
    """A setting whose value has changed."""

    setting: Setting
    before: Any
    after: Any

    def __str__(self) -> str:
        if not self.setting.is_shown:
            return self.setting.name
        if isinstance(self.before, dict):
            return f"{self.setting.name} ({', '.join(_different(self.before, self.after))})"
        return f"{self.setting.name} from {self.before!r} to {self.after!r}"


@dataclass(frozen=True)
class Snapshot:
    """The values of some settings at one time, and how many modules had been imported by then."""

    values: tuple[tuple[Setting, Any], ...]
    num_modules: int

    def changes(self) -> list[Change]:
        """Return the settings that differ now, except for changes that importing libraries may make."""
        return [change for change in self._differences() if not self._comes_with_imports(change)]

    def restore(self) -> list[Change]:
        """Restore everything except what has to stay after imports. Return the `changes()` from before."""
        changed, left = self.changes(), self._to_restore()
        for _ in range(_PASSES):
            for change in left:
                change.setting.restore(change.before)
            if not left or not (left := self._to_restore()):
                break
        return changed

    def require_unchanged(self) -> None:
        """Restore everything as `restore` does, and raise GlobalStateError if something had changed."""
        if changed := self.restore():
            raise GlobalStateError(_description(changed))

    def _differences(self) -> list[Change]:
        read = [Change(setting, before, setting.read()) for setting, before in self.values]
        return [change for change in read if not change.setting.is_same(change.before, change.after)]

    def _comes_with_imports(self, change: Change) -> bool:
        imported = len(sys.modules) > self.num_modules
        return imported and change.setting.comes_with_imports(change.before, change.after)

    def _to_restore(self) -> list[Change]:
        changes = self._differences()
        return [each for each in changes if each.setting in GENERATORS or not self._comes_with_imports(each)]


# The settings when the outermost of nested calls into plugins began.
_outermost: ContextVar[Snapshot | None] = ContextVar("_outermost", default=None)


def snapshot(settings: Sequence[Setting] = SETTINGS) -> Snapshot:
    """Return the current values of the settings, of all settings by default."""
    return Snapshot(tuple((setting, setting.read()) for setting in settings), len(sys.modules))


@contextmanager
def restored() -> Iterator[None]:
    """Restore all settings afterwards, even after an error."""
    before = snapshot()
    try:
        yield
    finally:
        before.restore()


@contextmanager
def unchanged(settings: Sequence[Setting] = SETTINGS) -> Iterator[None]:
    """Restore the settings afterwards, and raise GlobalStateError if one has changed.

    An error that is raised inside takes precedence. If calls nest (a model predicts inside `select`), the inner call
    runs with the torch settings of the outermost call, even if the plugin in between has temporarily changed them.
    """
    caller = snapshot(settings)
    outermost = _outermost.get()
    token = _outermost.set(caller) if outermost is None else None
    before = caller if outermost is None else _under(outermost, caller)
    try:
        yield
    except BaseException:
        before.restore()
        raise
    else:
        before.require_unchanged()
    finally:
        if before is not caller:
            caller.restore()
        if token is not None:
            _outermost.reset(token)


def _under(outermost: Snapshot, caller: Snapshot) -> Snapshot:
    """Set the settings that change numbers to their outermost values, but not grad mode. Return the new snapshot."""
    wanted = dict(outermost.values)
    others = [
        (setting, wanted[setting])
        for setting, now in caller.values
        if setting in CHANGING_NUMBERS and setting in wanted and not setting.is_same(wanted[setting], now)
    ]
    if not others:
        return caller
    for setting, value in others:
        setting.restore(value)
    return snapshot([setting for setting, _ in caller.values])


def _description(changes: Sequence[Change]) -> str:
    first, *others = changes
    also = f", and with it {', '.join(change.setting.name for change in others)}" if others else ""
    if first.setting in GENERATORS:
        return f"changed {first}{also}; draw from the generator that is passed in, or restore the state afterwards"
    return f"changed {first}{also}; restore it before returning, since it is shared with every other trial"


def _different(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the names whose values differ, but not the values, which may be secrets in the environment."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
