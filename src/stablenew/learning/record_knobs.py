"""Which settings records differ in, and the space of values they open up."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

from stablenew.config import declared_settings
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.plan_setting import LORA, SIZE
from stablenew.learning.prompt_class import model_stem
from stablenew.learning.record_settings import flat_settings
from stablenew.learning.search_space import SearchSpace, is_number, space_from_values

NOT_KNOBS = frozenset({"img2img.init_image", "seed", "images_per_prompt"})
MOST_VALUES = 40
"""So many values of one setting are told apart: beyond, a category's rarest are left out."""
BETWEEN = 16
"""A number that was tried at three values or more may be set between them: about so many values are considered."""
_VERSION = re.compile(r"[\W_]*(v(er)?)?[\W_]*\d+([._]\d+)*[\W_]*\w?$", re.IGNORECASE)


def knob_settings(record: LearningRecord) -> dict[str, Any]:
    """The record's settings as knobs: width and height are one, "512x768", and so are the loras."""
    found = flat_settings(record)
    width, height = found.pop("width", None), found.pop("height", None)
    if width and height:
        found[SIZE] = f"{width}x{height}"
    if LORA in record.pipeline.axes:
        found[LORA] = str(record.pipeline.axes[LORA])
    return {name: value for name, value in found.items() if name in _knob_names()}


def space_of_records(records: Iterable[LearningRecord], *, keep: Collection[str] = ()) -> SearchSpace | None:
    """What `records` differ in, and those of `keep` that they have; None where they differ in nothing.

    A number that less than half of the records have is left out, and so is a setting that every record has a value of
    its own for.
    """
    every = [knob_settings(record) for record in records]
    counts: dict[str, Counter[Any]] = {}
    for settings in every:
        for name, value in settings.items():
            counts.setdefault(name, Counter())[value] += 1
    values: dict[str, Sequence[Any]] = {}
    for name, seen in counts.items():
        numeric = all(map(is_number, seen))
        missing = len(every) - seen.total()
        if numeric and missing > len(every) / 2:
            continue
        found = list(seen) if numeric or not missing else [*seen, "none"]
        varied = len(found) > 1 and not (len(found) == len(every) > 8 and not numeric)
        if varied or name in keep:
            values[name] = _with_between(found) if numeric else [value for value, _ in seen.most_common(MOST_VALUES)]
            if not numeric and missing:
                values[name] = [*values[name], "none"]
    if not values:
        return None
    models = values.get("model", ())
    return space_from_values(values, {"model": {str(model): family_of(str(model)) for model in models}})


@cache
def _knob_names() -> frozenset[str]:
    """What a person can set; records also say much that only follows from it, such as a scheduler's class."""
    return frozenset({SIZE, LORA, *(path.removeprefix("txt2img.") for path in declared_settings())} - NOT_KNOBS)


def family_of(model: str) -> str:
    """A checkpoint's name without its version: dreamshaper_8 and DreamShaper_7 are one family."""
    stem = model_stem(model).casefold()
    return _VERSION.sub("", stem) or stem


def _with_between(seen: Sequence[Any]) -> list[Any]:
    """`seen` numbers and, where there are three or more, round ones between them."""
    low, high = min(seen), max(seen)
    if len(seen) < 3:
        return sorted(seen)
    whole = all(float(value).is_integer() for value in seen)
    step = _round_step((high - low) / BETWEEN, whole)
    grid = [round(step * at, 6) for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
    added = [int(value) if whole else value for value in grid]
    kept = sorted(seen) if len(seen) <= MOST_VALUES else []
    return sorted({*kept, low, high, *added})


def _round_step(step: float, whole: bool) -> float:
    """The next larger step a person would use: 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    found = next(size * power for size in (1, 2, 5, 10) if size * power >= step - 1e-12)
    return max(found, 1.0) if whole else found
