"""Every exception of ours, one tree.

    StableNewError
    ├── InputError                  what a person or a file supplied cannot be used (exit code 2)
    │   ├── InvalidSetting          a setting's name, value or combination is not allowed
    │   ├── PackError               a pack, wildcard or template cannot be read: file, line, column
    │   ├── PlanTooLarge            the plan has more variants than anyone can run
    │   ├── InvalidPlan             an experiment's plan cannot be carried out: which field, and why
    │   ├── UnsafeName              a name would leave the folder it belongs in
    │   ├── UnknownChoice           the backend has no such sampler, model, ... and names the nearest
    │   └── NotFound                no such run, record, preset or file
    ├── BackendError                a backend could not do what was asked
    │   ├── BackendUnavailable      nothing answers, or what it needs is not installed
    │   ├── UnsupportedStage        this backend has no such stage
    │   └── GenerationFailed        the backend tried and failed
    ├── RecordError                 learning records and ratings
    │   ├── NotARecord              a line is not a record: which field, and why
    │   └── RecordNotWritten        a line could not be stored; what was there before is intact
    ├── ScorerUnavailable           an automatic scorer lacks something, or is broken: which, and what to do
    ├── RunBusy                     a run is under way and another was started
    └── Cancelled                   the person asked to stop

An error carries what its reader needs next; its text says what is wrong, where, and what to do.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class StableNewError(Exception):
    """The root: `except StableNewError` catches whatever this program can explain."""


class InputError(StableNewError):
    """What a person or a file supplied cannot be used."""


class InvalidSetting(InputError):
    """The setting `name` cannot have `value`; `allowed` says in words what it can have."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        self.name, self.value, self.allowed = name, value, allowed
        super().__init__(f"setting {name} = {_short(value)} is not allowed: it takes {allowed}")


class UnknownSetting(InvalidSetting):
    """No setting is called `name`; `known` are those there are."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        nearest = nearest_name(name, known)
        hint = f"did you mean {nearest}?" if nearest else f"there are: {', '.join(known)}"
        super().__init__(name, None, hint)
        self.args = (f"no setting is called {_short(name)}: {hint}",)


class PackError(InputError):
    """The pack, wildcard or template at `path` cannot be used; `line` and `column` count from 1, None if unknown."""

    def __init__(self, reason: str, *, path: Path | str, line: int | None = None, column: int | None = None) -> None:
        self.reason, self.path, self.line, self.column = reason, path, line, column
        where = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(f"{where}: {reason}")


class PlanTooLarge(InputError):
    """The plan describes `count` variants where at most `limit` can be run."""

    def __init__(self, count: int, limit: int) -> None:
        self.count, self.limit = count, limit
        said = f"{count:,}" if count.bit_length() < 200 else f"about 10^{int(count.bit_length() * 0.30103)}"
        super().__init__(f"the plan has {said} variants, more than the {limit:,} that can be run: give --limit N")


class InvalidPlan(InputError):
    """`field` (dotted, such as "settings.steps") of an experiment's plan cannot be used, for the `reason`."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"experiment plan: {field}: {reason}")


class UnsafeName(InputError):
    """`name` cannot name a file of ours: it is empty, reserved, too long, or would leave `folder`."""

    def __init__(self, name: str, reason: str, folder: Path | str) -> None:
        self.name, self.reason, self.folder = name, reason, folder
        super().__init__(f"{_short(name)} cannot be used as a name in {folder}: {reason}")


class UnknownChoice(InputError):
    """The backend knows no `kind` called `value`; `known` are those it has."""

    def __init__(self, *, backend: str, kind: str, value: str, known: Iterable[str]) -> None:
        self.backend, self.kind, self.value = backend, kind, value
        self.known = tuple(known)
        self.nearest = nearest_name(value, self.known)
        hint = f"did you mean {self.nearest!r}?" if self.nearest else _listed(self.known)
        super().__init__(f"backend {backend} has no {kind} called {value!r}: {hint}")


class NotFound(InputError):
    """There is no `kind` called `name`; `where` is the place that was looked at."""

    def __init__(self, kind: str, name: str, where: Path | str, hint: str = "") -> None:
        self.kind, self.name, self.where = kind, name, where
        super().__init__(f"there is no {kind} {_short(name)} in {where}" + (f": {hint}" if hint else ""))


class BackendError(StableNewError):
    """`backend` (its name) could not do what was asked."""

    def __init__(self, backend: str, message: str) -> None:
        self.backend = backend
        super().__init__(message)


class BackendUnavailable(BackendError):
    """Nothing answers at the backend's address, or something it needs is not installed."""


class UnsupportedStage(BackendError):
    """The backend has no such stage, or not in this form."""

    def __init__(self, backend: str, stage: str, hint: str = "") -> None:
        self.stage = stage
        super().__init__(backend, f"backend {backend} cannot do the stage {stage}" + (f": {hint}" if hint else ""))


class GenerationFailed(BackendError):
    """The backend tried to make the picture and failed."""


class RecordError(StableNewError):
    """Learning records and ratings."""


class NotARecord(RecordError):
    """A line is not a learning record: `field` (dotted, "" for the whole line) and `reason`."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"not a learning record: {field or 'line'}: {reason}")


class RecordNotWritten(RecordError):
    """A line could not be stored in `path`; everything stored before it is intact."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: the record was not written: {reason}")


class ScorerUnavailable(StableNewError):
    """The scorer `name` cannot be used, or failed, for the `reason`."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"scorer {name} cannot be used: {reason}")


class RunBusy(StableNewError):
    """A run is under way and another was started."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"run {run_id} is still under way: wait for it or stop it first")


class Cancelled(StableNewError):
    """The person asked to stop; nothing is wrong."""

    def __init__(self) -> None:
        super().__init__("stopped on request")


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name` (case ignored), None when none is near."""
    by_fold = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:37]}...{text[-40:]}"


def _listed(names: tuple[str, ...]) -> str:
    if not names:
        return "it has none"
    return "it has " + ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
