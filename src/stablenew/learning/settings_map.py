"""Two settings together: every combination of the values that were rated, with what matched pictures say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stablenew.errors import InputError
from stablenew.learning.evidence import Evidence, Scored
from stablenew.learning.matched_effects import MapCell, in_order, two_way_map


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsMap:
    """The settings `first` and `second`, and the values of either that rated pictures have, in order.

    `cells` are the combinations of two values that matched pictures tell about, `rated` how many pictures were rated of
    each: a combination that is not in `rated` was not tested.
    """

    first: str
    second: str
    firsts: tuple[Any, ...]
    seconds: tuple[Any, ...]
    cells: Mapping[tuple[Any, Any], MapCell]
    rated: Mapping[tuple[Any, Any], int]


def settings_map(evidence: Evidence, context: str, names: Sequence[str]) -> SettingsMap:
    """Two settings together, from the pictures seen in `context`. Raises InputError for what did not vary."""
    known = evidence.space.names
    if len(names) != 2 or names[0] == names[1] or not set(names) <= set(known):
        raise InputError(f"{','.join(names)!r}: a map takes two of the settings that varied: {', '.join(known)}")
    first, second = names
    own = [each for each in evidence.scored if each.context == context]
    rated = Counter((each.settings[first], each.settings[second]) for each in _pictures(own))
    return SettingsMap(
        first=first,
        second=second,
        firsts=tuple(sorted({one for one, _ in rated}, key=in_order)),
        seconds=tuple(sorted({other for _, other in rated}, key=in_order)),
        cells={(cell.first, cell.second): cell for cell in two_way_map(own, first, second)},
        rated=rated,
    )


def _pictures(scored: Iterable[Scored]) -> Iterable[Scored]:
    """Each rated picture once, however many people rated it; what scorers and others' statistics say is none."""
    return {each.record_id: each for each in scored if each.record_id}.values()
