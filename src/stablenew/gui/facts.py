"""What is known about a picture, as names and values a person reads; and what differs between several."""

from __future__ import annotations

from collections.abc import Sequence

from stablenew.learning.recorded_picture import RecordedPicture

Row = tuple[str, str]


def facts_of(picture: RecordedPicture) -> list[Row]:
    """Name and value of what is known, the settings first."""
    size = f"{picture.width} x {picture.height}" if picture.width and picture.height else ""
    settings = [(name, plain(value)) for name, value in picture.settings.items()]
    rest = [
        ("seed", "" if picture.seed is None else str(picture.seed)),
        ("picture", size),
        ("seconds", "" if picture.seconds is None else f"{picture.seconds:.1f}"),
        *((f"[[{slot}]]", value) for slot, value in picture.bindings.items()),
        ("pack", picture.pack),
        ("run", picture.run_id),
        ("made", picture.made_at[:19].replace("T", " ")),
        ("record", picture.record_id),
        ("file", picture.path.rpartition("/")[2]),
    ]
    return [row for row in [*settings, *rest] if row[1]]


def differing(pictures: Sequence[RecordedPicture]) -> list[tuple[str, tuple[str, ...]]]:
    """By name, what is not the same in all of `pictures`: each one's value, "" where it has none."""
    whole = [_all_settings(picture) for picture in pictures]
    names = dict.fromkeys(name for settings in whole for name in settings)
    found = [(name, tuple(settings.get(name, "") for settings in whole)) for name in names]
    return [(name, values) for name, values in found if len(set(values)) > 1]


def _all_settings(picture: RecordedPicture) -> dict[str, str]:
    found = {name: plain(value) for name, value in picture.settings.items()}
    found |= {f"[[{slot}]]": value for slot, value in picture.bindings.items()}
    found |= {"prompt": picture.prompt, "negative prompt": picture.negative_prompt}
    return found | ({} if picture.seed is None else {"seed": str(picture.seed)})


def plain(value: object) -> str:
    """A setting's value as a person writes it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
