"""Always-on scripts and ADetailer, checked against what the server declares: it skips in silence what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from stablenew.backends.webui.flavour import ServerFacts
from stablenew.backends.webui.names import find_name
from stablenew.errors import InvalidSetting, UnknownChoice, UnsupportedStage

# JSON Schema's names of types, as ADetailer's schema uses them.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def read_scripts(facts: ServerFacts, backend: str, text: str | None) -> dict[str, Any]:
    """The always-on scripts of a setting's JSON text, by the server's names for them.

    Raises InvalidSetting when the text is no object of scripts, UnknownChoice for a script the server has not.
    """
    if not text:
        return {}
    found: dict[str, Any] = {}
    for name, value in _object("scripts", text).items():
        arguments = value if isinstance(value, dict) and isinstance(value.get("args"), list) else {"args": value}
        if not isinstance(arguments["args"], list):
            raise InvalidSetting("scripts", text, 'the form {"name of the script": {"args": [...]}}')
        found[find_name(facts.scripts, backend, "script", name)] = arguments
    return found


def read_adetailer(facts: ServerFacts, backend: str, model: str | None, options: str | None) -> dict[str, Any] | None:
    """The arguments of ADetailer's first tab, None when it is not asked for.

    Raises UnsupportedStage where the server has none, UnknownChoice or InvalidSetting for what it does not take.
    """
    if model is None:
        if options:
            raise InvalidSetting("adetailer_options", options, "something only together with adetailer_model")
        return None
    if facts.adetailer_models is None:
        raise UnsupportedStage(backend, "ADetailer", "the server has no such extension")
    given = _object("adetailer_options", options) if options else {}
    for name, value in given.items():
        _check_option(facts.adetailer_schema, backend, name, value)
    return {**given, "ad_model": find_name(facts.adetailer_models, backend, "ADetailer model", model)}


def adetailer_arguments(first_tab: Mapping[str, Any]) -> dict[str, Any]:
    """ADetailer's always-on arguments: switched on, not skipping img2img, and every further tab switched off.

    Without the two leading flags the positions shift; without the second tab the server fills it with its own default
    (ADetailer 25.3.0 on A1111 v1.10.1).
    """
    return {"args": [True, False, dict(first_tab), {"ad_model": "None"}]}


def _object(setting: str, text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise InvalidSetting(setting, text, f"a JSON object ({exc})") from exc


def _check_option(schema: Mapping[str, Any], backend: str, name: str, value: object) -> None:
    """Raises when `name` is no option of ADetailer or cannot have `value`. An unknown schema checks nothing."""
    if not schema:
        return
    declared = schema.get(name)
    if not isinstance(declared, dict):
        raise UnknownChoice(backend=backend, kind="ADetailer option", value=name, known=schema)
    kinds = _TYPES.get(str(declared.get("type")), (object,))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
        raise InvalidSetting(name, value, f"{_article(declared)}")
    choices = declared.get("enum")
    if isinstance(choices, list) and value not in choices:
        raise UnknownChoice(backend=backend, kind=name, value=str(value), known=[str(item) for item in choices])
    if isinstance(value, (int, float)) and not _within(declared, value):
        raise InvalidSetting(name, value, _article(declared))


def _within(declared: Mapping[str, Any], value: float) -> bool:
    low, above, high = (_bound(declared, key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    return not (
        (low is not None and value < low)
        or (above is not None and value <= above)
        or (high is not None and value > high)
    )


def _bound(declared: Mapping[str, Any], key: str) -> float | None:
    value = declared.get(key)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _article(declared: Mapping[str, Any]) -> str:
    said = f"a value of type {declared.get('type', 'any')}"
    bounds = [f"{word} {declared[key]}" for word, key in _BOUND_WORDS if key in declared]
    return " ".join([said, *bounds])


_BOUND_WORDS = (("from", "minimum"), ("above", "exclusiveMinimum"), ("to", "maximum"))
