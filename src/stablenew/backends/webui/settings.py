"""What a backend of kind webui can be told in the configuration file, beside its address."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stablenew.errors import InvalidSetting

Seconds = Annotated[float, Meta(ge=0, le=86_400)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebUISettings:
    """Time limits in seconds, and how much is asked for at once.

    `timeout_s` is for one picture and may include loading a model. `reconnect_s`: how long a server that went away is
    waited for. `idle_wait_s`: how long for it to stop after a time limit. `poll_s`: between two looks at its progress,
    none for the flavour's own. `batch_size`: up to so many pictures of one prompt with consecutive seeds are asked for
    in one request; a GPU makes them together and may round differently than one by one. `window`: requests taken at
    once, still one in flight. `previews`: ask for pictures of what is being made.
    """

    connect_timeout_s: Annotated[float, Meta(gt=0, le=600)] = 5.0
    list_timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    options_timeout_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0
    timeout_s: Annotated[float, Meta(gt=0, le=86_400)] = 1800.0
    reconnect_s: Seconds = 60.0
    idle_wait_s: Seconds = 120.0
    poll_s: Annotated[float, Meta(gt=0, le=60)] | None = None
    batch_size: Annotated[int, Meta(ge=1, le=64)] = 1
    window: Annotated[int, Meta(ge=1, le=256)] = 32
    previews: bool = True


def read_settings(name: str, given: Mapping[str, Any]) -> WebUISettings:
    """The settings of the backend `name`. Raises InvalidSetting for one it does not have or a value out of range."""
    known = {declared.name for declared in dataclasses.fields(WebUISettings)}
    for key, value in given.items():
        if key not in known:
            raise InvalidSetting(f"{name}.{key}", value, "nothing: it has only " + ", ".join(sorted(known)))
    try:
        return msgspec.convert(dict(given), WebUISettings)
    except msgspec.ValidationError as exc:
        raise InvalidSetting(f"backend {name}", dict(given), str(exc)) from exc
