"""Automatic judges that people install themselves: found by name, opened, and kept from breaking one another.

A package offers one under the entry point `stablenew.scorers`: a class or function without arguments that gives an
object with `name`, `needs` (the modules it imports) and `score(image, prompt) -> float`, larger for better; `version`
where it is not that of its package. `image` is a Pillow image. Nothing is downloaded by us: weights are the scorer's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from stablenew.errors import NotFound, ScorerUnavailable, nearest_name
from stablenew.log import get_logger

if TYPE_CHECKING:
    from PIL.Image import Image

log = get_logger("stablenew.learning")

GROUP = "stablenew.scorers"


class Scorer(Protocol):
    """What a plug-in gives."""

    name: str
    needs: tuple[str, ...]

    def score(self, image: Image, prompt: str) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenScorer:
    """A scorer ready for use. `name` is that of its entry point; `version` says which one gave a score."""

    name: str
    version: str
    plugin: Scorer

    def score(self, image: Image, prompt: str) -> float:
        """A finite number, larger for better. Raises ScorerUnavailable where it fails, or gives anything else."""
        said: float = _at_the_door(self.name, lambda: float(self.plugin.score(image, prompt)))
        if not math.isfinite(said):
            raise ScorerUnavailable(self.name, f"it gave {said}, which is no score")
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerStatus:
    """An installed scorer and whether it can be used; `problem` says why not and what to do, "" where it can."""

    name: str
    version: str
    package: str
    problem: str = ""


def installed_scorers() -> dict[str, EntryPoint]:
    """Every scorer installed here, by name; none of them is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def scorer_statuses(points: Mapping[str, EntryPoint] | None = None) -> list[ScorerStatus]:
    """Each installed scorer, opened to see whether it works; one that does not says so and hides no other."""
    found = []
    for name, point in sorted((installed_scorers() if points is None else points).items()):
        problem, version = "", _package_version(point)
        try:
            version = _open(name, point).version
        except ScorerUnavailable as exc:
            problem = exc.reason
        found.append(ScorerStatus(name=name, version=version, package=_package(point), problem=problem))
    return found


def open_scorer(name: str, points: Mapping[str, EntryPoint] | None = None) -> OpenScorer:
    """The scorer called `name`. Raises NotFound, or ScorerUnavailable saying what to install."""
    points = installed_scorers() if points is None else points
    if name not in points:
        nearest = nearest_name(name, points)
        hint = f"did you mean {nearest}?" if nearest else f"installed are: {', '.join(sorted(points)) or 'none'}"
        raise NotFound("scorer", name, f"the entry points {GROUP}", hint)
    return _open(name, points[name])


def _open(name: str, point: EntryPoint) -> OpenScorer:
    try:
        made = _at_the_door(name, point.load)
    except ScorerUnavailable as exc:
        if isinstance(exc.__cause__, ImportError) and exc.__cause__.name:
            raise ScorerUnavailable(name, _missing(point, (exc.__cause__.name.partition(".")[0],))) from exc
        raise
    missing = tuple(need for need in _needs(name, made) if not _is_installed(need))
    if missing:
        raise ScorerUnavailable(name, _missing(point, missing))
    plugin = _at_the_door(name, made)
    if not callable(getattr(plugin, "score", None)):
        raise ScorerUnavailable(name, "it has no score(image, prompt)")
    version = getattr(plugin, "version", None)
    return OpenScorer(name=name, version=str(version or _package_version(point)), plugin=plugin)


def _at_the_door(name: str, call: Any) -> Any:
    """What `call` gives. A plug-in may raise anything: it becomes ScorerUnavailable, with the traceback in the log."""
    try:
        return call()
    except Exception as exc:
        log.warning("a scorer failed", scorer=name, exc_info=True)
        raise ScorerUnavailable(name, f"{type(exc).__name__}: {exc}") from exc


def _needs(name: str, made: Any) -> tuple[str, ...]:
    needs = getattr(made, "needs", ())
    if isinstance(needs, str) or not all(isinstance(need, str) for need in needs):
        raise ScorerUnavailable(name, f"its needs are {needs!r}, not names of modules")
    return tuple(needs)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _missing(point: EntryPoint, modules: tuple[str, ...]) -> str:
    extra = "'stablenew[local]'" if _package(point) == "stablenew" else " ".join(modules)
    return f"it needs {', '.join(modules)}, which is not installed: pip install {extra}"


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else ""


def _package_version(point: EntryPoint) -> str:
    return point.dist.version if point.dist is not None else ""
