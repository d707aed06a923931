"""What a server did, held against what it was asked: the effective settings and every difference.

A server of the WebUI family answers 200 while doing something else: another sampler for a name it does not know, its
own model, no lora, 64 pixels for 70, half a picture after an interrupt. What it says is compared field by field, the
picture's size and colours are looked at, and what it does not say is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from stablenew.backends.base import GeneratedImage, StageRequest, Txt2ImgRequest, UpscaleRequest
from stablenew.backends.webui.answer import PictureSaid, Said, written_infotext
from stablenew.backends.webui.choice import Choice, clip_skip_of, hires_size, sampling_of
from stablenew.backends.webui.flavour import ServerFacts
from stablenew.backends.webui.names import plain, same_file, same_schedule
from stablenew.backends.webui.payload import sent_prompt
from stablenew.variant import Deviation, EffectiveSettings

_TELLS_LORAS = ("A1111", "Forge", "reForge")
"""Flavours known to write `Lora hashes` for every lora they used; silence of the others proves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One picture as it came: `data` the bytes sent, `pixels` mode RGB, `seed` the one asked for.

    `unfinished`: the server was interrupted while it made it. `seconds` is this picture's share.
    """

    request: StageRequest
    choice: Choice
    seed: int
    data: bytes
    pixels: Image.Image
    said: Said
    picture: PictureSaid
    seconds: float
    unfinished: bool = False


def verified(made: Made, facts: ServerFacts, server: str) -> GeneratedImage:
    """The picture with what was really used and where that differs from what was asked. `server`: its name."""
    upscaled = isinstance(made.request, UpscaleRequest) and made.request.settings.method == "upscaler"
    effective = _upscaled(made, server) if upscaled else _effective(made, facts, server)
    differences = _picture_differences(made) if upscaled else _all_differences(made, facts)
    return GeneratedImage(
        picture=made.data,
        width=made.pixels.width,
        height=made.pixels.height,
        seed=made.seed if upscaled or made.picture.seed is None else made.picture.seed,
        seconds=made.seconds,
        effective=effective,
        deviations=tuple(differences),
        infotext=written_infotext(made.data),
    )


def done_scheduler(said: PictureSaid) -> str | None:
    """The noise schedule as the infotext has it."""
    return said.fields.get("Schedule type")


def _effective(made: Made, facts: ServerFacts, server: str) -> EffectiveSettings:
    said, request = made.said, made.request
    return EffectiveSettings(
        model=said.model or made.picture.fields.get("Model"),
        model_hash=said.model_hash or made.picture.fields.get("Model hash"),
        vae=_done_vae(made, facts),
        sampler=_done_sampler(made, facts),
        scheduler=done_scheduler(made.picture),
        cfg_scale=said.cfg_scale,
        steps=said.steps,
        width=made.pixels.width,
        height=made.pixels.height,
        clip_skip=said.clip_skip,
        denoise=None if isinstance(request, Txt2ImgRequest) else said.denoise,
        extra=_extra(made, server),
    )


def _upscaled(made: Made, server: str) -> EffectiveSettings:
    """Extras says nothing in its JSON; which upscaler it took can only be what it was told."""
    return EffectiveSettings(
        width=made.pixels.width, height=made.pixels.height, upscaler=made.choice.upscaler, extra={"server": server}
    )


def _extra(made: Made, server: str) -> dict[str, Any]:
    """What a record keeps besides: the server, its version, and everything the server says about hires, loras, ..."""
    extra: dict[str, Any] = {"server": server}
    if made.said.version:
        extra["version"] = made.said.version
    if made.said.vae_hash:
        extra["vae_hash"] = made.said.vae_hash
    kept = [(key[:60], value[:500]) for key, value in made.picture.fields.items() if key.startswith(_KEPT_FIELDS)]
    return extra | dict(kept[:24])


_KEPT_FIELDS = ("Hires", "Lora hashes", "TI hashes", "ADetailer", "Refiner", "Face restoration", "ENSD", "RNG")


def _all_differences(made: Made, facts: ServerFacts) -> Iterator[Deviation]:
    if made.unfinished:
        yield Deviation(setting="finished", asked=True, done=False, detail="interrupted on the server")
    if not made.said.present:
        yield Deviation(setting="info", asked="what was done", done=None, detail="the server does not say what it did")
    yield from _sampling_differences(made, facts)
    yield from _file_differences(made, facts)
    yield from _prompt_differences(made, facts)
    yield from _extra_differences(made)
    yield from _picture_differences(made)


def _sampling_differences(made: Made, facts: ServerFacts) -> Iterator[Deviation]:
    said, choice, settings = made.said, made.choice, sampling_of(made.request)
    if said.sampler and plain(said.sampler) != plain(choice.sampler.name):
        yield Deviation(setting="sampler", asked=choice.sampler.name, done=said.sampler)
    done = done_scheduler(made.picture)
    if done and not same_schedule(facts, choice.sampler, choice.scheduler, done):
        yield Deviation(setting="scheduler", asked=choice.scheduler, done=done)
    yield from _different("steps", settings.steps, said.steps)
    yield from _different("cfg_scale", settings.cfg_scale, said.cfg_scale)
    yield from _different("seed", made.seed, made.picture.seed)
    yield from _different("clip_skip", clip_skip_of(made.request), said.clip_skip)
    if not isinstance(made.request, Txt2ImgRequest):
        yield from _different("denoise", made.request.settings.denoise, said.denoise)


def _file_differences(made: Made, facts: ServerFacts) -> Iterator[Deviation]:
    said, choice = made.said, made.choice
    if choice.model and said.model and not same_file(choice.model, said.model):
        yield Deviation(setting="model", asked=choice.model.name, done=said.model)
    elif choice.model and choice.model.hashes and said.model_hash and facts.flavour != "sd.cpp":
        known = choice.model.hashes
        if not any(full.startswith(said.model_hash) or said.model_hash.startswith(full) for full in known):
            yield Deviation(setting="model_hash", asked=known[0], done=said.model_hash, detail="another file by now")
    if choice.vae and choice.vae.name not in ("Automatic", "None") and said.present:
        done = _done_vae(made, facts)
        if done is None or not same_file(choice.vae, done):
            yield Deviation(setting="vae", asked=choice.vae.name, done=done)


def _prompt_differences(made: Made, facts: ServerFacts) -> Iterator[Deviation]:
    asked, done = sent_prompt(made.request.prompt), made.picture.prompt
    if done is not None and facts.flavour != "sd.cpp" and _words(done) != _words(asked):
        yield Deviation(setting="prompt", asked=asked, done=done, detail="changed by the server or an extension")
    if not (made.said.present and facts.flavour in _TELLS_LORAS):
        return
    used = _hashed(made.picture.fields.get("Lora hashes", ""))
    for lora in made.choice.loras:
        if lora.weight and plain(lora.name) not in used:
            yield Deviation(setting="lora", asked=lora.name, done=None, detail="the server does not report using it")
    used = _hashed(made.picture.fields.get("TI hashes", ""))
    for name in made.choice.embeddings:
        if plain(name) not in used:
            yield Deviation(setting="embedding", asked=name, done=None, detail="the server does not report using it")


def _extra_differences(made: Made) -> Iterator[Deviation]:
    fields, choice, request = made.picture.fields, made.choice, made.request
    if not made.said.present or isinstance(request, UpscaleRequest):
        return
    if choice.adetailer is not None and not _claims(fields, "ADetailer model"):
        detail = "skipped by the server, which does not say why"
        yield Deviation(setting="adetailer_model", asked=choice.adetailer["ad_model"], done=None, detail=detail)
    if request.settings.restore_faces and made.said.restore_faces is False:
        yield Deviation(setting="restore_faces", asked=True, done=False)
    if not isinstance(request, Txt2ImgRequest):
        return
    if choice.refiner and not _claims(fields, "Refiner"):
        yield Deviation(setting="refiner", asked=choice.refiner.name, done=None)
    if request.settings.hires_scale is not None:
        done = fields.get("Hires upscaler")
        if done is not None and plain(done) != plain(choice.hires_upscaler):
            yield Deviation(setting="hires_upscaler", asked=choice.hires_upscaler, done=done)


def _picture_differences(made: Made) -> Iterator[Deviation]:
    width, height = _asked_size(made.request)
    yield from _different("width", width, made.pixels.width)
    yield from _different("height", height, made.pixels.height)
    flaw = _flaw(made.pixels)
    if flaw:
        yield Deviation(setting="picture", asked="a picture", done=flaw, detail="often NaN in the model or the VAE")


def _flaw(pixels: Image.Image) -> str | None:
    """What a picture without any detail is, None for every other."""
    bands: Any = pixels.getextrema()
    if all(high == 0 for _, high in bands):
        return "black"
    return "one flat colour" if all(low == high for low, high in bands) else None


def _asked_size(request: StageRequest) -> tuple[int | None, int | None]:
    if isinstance(request, Txt2ImgRequest):
        return hires_size(request.settings)
    if isinstance(request, UpscaleRequest):
        return request.width, request.height
    from stablenew.backends.picture import read_pixels

    return read_pixels(request.image, "webui").size


def _done_sampler(made: Made, facts: ServerFacts) -> str | None:
    """The sampler by the name people use: what was asked when it is the one that was done."""
    done = made.said.sampler
    asked = sampling_of(made.request).sampler or ""
    if facts.flavour == "sd.cpp" and done and plain(done) == plain(asked):
        return asked
    return made.choice.sampler.name if done and plain(done) == plain(made.choice.sampler.name) else done


def _done_vae(made: Made, facts: ServerFacts) -> str | None:
    """The VAE as reported. Forge names its modules in the infotext instead, without their ending."""
    if facts.flavour == "Forge":
        modules = [value for key, value in made.picture.fields.items() if key.startswith("Module ")]
        asked = made.choice.vae
        if asked:
            return next((name for name in modules if same_file(asked, name)), modules[0] if modules else made.said.vae)
        return made.said.vae or ", ".join(modules) or None
    return made.said.vae or made.picture.fields.get("VAE")


def _different(setting: str, asked: Any, done: Any) -> Iterator[Deviation]:
    """A deviation when both are said and differ; numbers are compared as numbers (7 is 7.0)."""
    if asked is None or done is None:
        return
    same = abs(asked - done) < 1e-6 if isinstance(asked, float) or isinstance(done, float) else asked == done
    if not same:
        yield Deviation(setting=setting, asked=asked, done=done)


def _claims(fields: Any, key: str) -> bool:
    return any(name.startswith(key) for name in fields)


def _hashed(text: str) -> set[str]:
    """The names of a `name: hash, name: hash` field."""
    return {plain(part.rpartition(":")[0]) for part in text.split(",") if ":" in part}


def _words(prompt: str) -> list[str]:
    return prompt.split()
