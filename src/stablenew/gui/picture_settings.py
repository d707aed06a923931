"""The settings a picture carries, as a proposal for the Run tab."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stablenew.errors import InputError
from stablenew.gui.events import ProposeSettings
from stablenew.learning.importing.found import Found
from stablenew.learning.importing.image_texts import read_image_texts
from stablenew.learning.importing.read_picture import read_settings
from stablenew.variant import EffectiveSettings

_TXT2IMG = ("sampler", "scheduler", "steps", "cfg_scale", "width", "height", "clip_skip")


def read_proposal(path: Path) -> ProposeSettings:
    """What the picture says it was made with. Blocks on the disk.

    Raises InputError when it is no picture, or says nothing that we can read.
    """
    try:
        texts = read_image_texts(path, path.stat().st_size)
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    found = read_settings(texts.texts)
    if found is None:
        raise InputError(f"{path.name} carries no settings that can be read")
    return ProposeSettings(
        settings=settings_of(found),
        origin=path.name,
        prompt=found.prompt,
        negative_prompt=found.negative_prompt,
    )


def read_pasted(text: str) -> ProposeSettings:
    """What was copied somewhere: a file's path or address, or the settings text of a WebUI.

    Raises InputError when it is neither.
    """
    name = text.strip().strip('"')
    if "\n" not in name and len(name) < 4096:
        path = Path(unquote(urlsplit(name).path) if name.startswith("file://") else name)
        if path.is_file():
            return read_proposal(path)
    found = read_settings({"parameters": text})
    if found is None or not found.stages:
        raise InputError("the clipboard holds neither a picture's path nor a WebUI's settings text")
    return ProposeSettings(
        settings=settings_of(found),
        origin="clipboard",
        prompt=found.prompt,
        negative_prompt=found.negative_prompt,
    )


def settings_of(found: Found) -> dict[str, Any]:
    """By path, the settings of what was found; the seed among them."""
    settings: dict[str, Any] = {}
    stages = [stage.stage for stage in found.stages]
    for number, stage in enumerate(found.stages):
        used = stage.settings
        if number == 0:
            settings |= _named(used, "", ("model", "vae"))
            settings |= _named(used, "txt2img.", _TXT2IMG)
        if stage.stage == "img2img":
            settings |= _named(used, "img2img.", ("denoise",))
        if stage.stage == "upscale":
            settings |= _named(used, "upscale.", ("upscaler",))
    if stages and stages[0] == "txt2img":
        settings["stages"] = tuple(stages)
    if found.seed is not None:
        settings["seed"] = found.seed
    return settings


def _named(used: EffectiveSettings, prefix: str, names: tuple[str, ...]) -> dict[str, Any]:
    values = {prefix + name: getattr(used, name) for name in names}
    return {path: value for path, value in values.items() if value is not None}
