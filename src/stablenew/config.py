"""`PipelineConfig` and the stage settings: each declared once, with range, default and help.

The command line, the window's forms, the axes of a plan and validation all read these declarations through
`declared_settings`. A constructor does not check ranges; what a person or a file supplies comes in through
`apply_settings`, `parse_value` or `config_from_dict`, which do.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from stablenew.errors import InvalidSetting, UnknownSetting

StageName = Literal["txt2img", "img2img", "upscale"]
STAGES: tuple[StageName, ...] = get_args(StageName)
UpscaleMethod = Literal["lanczos", "upscaler", "img2img"]

SEED_MAX = 2**32 - 1

Sampler = Annotated[str, Meta(min_length=1, description='Sampler by the name people use, such as "Euler a"')]
Scheduler = Annotated[str, Meta(min_length=1, description="Noise schedule such as Karras; Automatic: the model's")]
Steps = Annotated[int, Meta(ge=1, le=150, description="Sampling steps")]
CfgScale = Annotated[float, Meta(ge=0, le=50, description="Guidance: how strictly the picture follows the prompt")]
Side = Annotated[int, Meta(ge=16, le=8192, multiple_of=8, description="Pixels, a multiple of 8")]
Seed = Annotated[int, Meta(ge=0, le=SEED_MAX, description="Start of the random numbers: same seed, same picture")]
Denoise = Annotated[float, Meta(ge=0, le=1, description="How much is painted anew: 0 the same picture, 1 a new one")]
RestoreFaces = Annotated[bool, Meta(description="Let the server restore faces afterwards")]
ADetailerModel = Annotated[str, Meta(min_length=1, description="ADetailer detection model; none: no ADetailer")]
ADetailerOptions = Annotated[str, Meta(description="ADetailer's own options as a JSON object; none: its defaults")]
HiresScale = Annotated[float, Meta(ge=1.05, le=8)]
Scripts = Annotated[str, Meta(description="Always-on scripts, as the JSON object a WebUI takes; none: no script")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Txt2ImgSettings:
    """How a picture is made from text. A side of None is the model's own size."""

    sampler: Sampler = "Euler a"
    scheduler: Scheduler = "Automatic"
    steps: Steps = 20
    cfg_scale: CfgScale = 7.0
    width: Annotated[Side | None, Meta(description="Width in pixels, a multiple of 8; none: the model's")] = None
    height: Annotated[Side | None, Meta(description="Height in pixels, a multiple of 8; none: the model's")] = None
    clip_skip: Annotated[int, Meta(ge=1, le=12, description="Take the text from this many layers before the end")] = 1
    hires_scale: Annotated[
        HiresScale | None, Meta(description="Hires fix: factor for a second pass; none: a single pass")
    ] = None
    hires_upscaler: Annotated[str, Meta(min_length=1, description="Hires fix: upscaler between the passes")] = "Latent"
    hires_steps: Annotated[int, Meta(ge=0, le=150, description="Hires fix: steps of the second pass; 0: as many")] = 0
    hires_denoise: Annotated[Denoise, Meta(description="Hires fix: how much the second pass paints anew")] = 0.5
    hires_sampler: Annotated[Sampler | None, Meta(description="Hires fix: sampler; none: the same")] = None
    hires_scheduler: Annotated[Scheduler | None, Meta(description="Hires fix: noise schedule; none: the same")] = None
    hires_cfg_scale: Annotated[CfgScale | None, Meta(description="Hires fix: guidance (Forge); none: the same")] = None
    refiner: Annotated[str | None, Meta(description="Refiner model; none: no refiner")] = None
    refiner_switch_at: Annotated[float, Meta(ge=0, le=1, description="Share of the steps before the refiner")] = 0.8
    restore_faces: RestoreFaces = False
    adetailer_model: ADetailerModel | None = None
    adetailer_options: ADetailerOptions | None = None
    scripts: Scripts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Img2ImgSettings:
    """How a picture is painted over. A sampler, scheduler, steps or cfg_scale of None is taken from txt2img."""

    denoise: Denoise = 0.5
    sampler: Annotated[Sampler | None, Meta(description="Sampler; none is the one of txt2img")] = None
    scheduler: Annotated[Scheduler | None, Meta(description="Noise schedule; none is the one of txt2img")] = None
    steps: Annotated[Steps | None, Meta(description="Sampling steps; none is as in txt2img")] = None
    cfg_scale: Annotated[CfgScale | None, Meta(description="Guidance; none is as in txt2img")] = None
    init_image: Annotated[
        str | None, Meta(description="Picture file to start from when txt2img is not among the stages")
    ] = None
    restore_faces: RestoreFaces = False
    adetailer_model: ADetailerModel | None = None
    adetailer_options: ADetailerOptions | None = None
    scripts: Scripts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscaleSettings:
    """How a picture is made larger: plain resampling, the backend's upscaler, or img2img at the larger size."""

    method: Annotated[
        UpscaleMethod, Meta(description="lanczos (plain resampling), upscaler (the backend's), or img2img (repaint)")
    ] = "lanczos"
    scale: Annotated[float, Meta(ge=1, le=8, description="Factor by which both sides grow")] = 2.0
    upscaler: Annotated[str | None, Meta(description="Name of the backend's upscaler; for method upscaler")] = None
    denoise: Annotated[float, Meta(ge=0, le=1, description="How much is painted anew; for method img2img")] = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineConfig:
    """Everything a run is told: model, stages and their settings, and metadata about the run itself."""

    model: Annotated[str | None, Meta(description="Model name, folder or file; none is the backend's own")] = None
    vae: Annotated[str | None, Meta(description="VAE name or file; none is the model's or server's own")] = None
    stages: Annotated[tuple[StageName, ...], Meta(min_length=1, description="Stages to run, in order")] = ("txt2img",)
    seed: Annotated[Seed | None, Meta(description="First seed; none derives it from the prompt")] = None
    images_per_prompt: Annotated[int, Meta(ge=1, le=10_000, description="Pictures per prompt and setting")] = 1
    txt2img: Txt2ImgSettings = field(default_factory=Txt2ImgSettings)
    img2img: Img2ImgSettings = field(default_factory=Img2ImgSettings)
    upscale: UpscaleSettings = field(default_factory=UpscaleSettings)
    run_id: str | None = None
    one_click_action: str | None = None
    learning_enabled: bool = False
    learning_tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One declared setting. `path` is dotted ("txt2img.steps"), `kind` a JSON type name; bounds may be None."""

    path: str
    kind: str
    default: object
    help: str
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    type: Any = None

    @property
    def allowed(self) -> str:
        """In words what values the setting takes."""
        if self.choices:
            said = "one of " + ", ".join(self.choices)
        elif self.minimum is not None and self.maximum is not None:
            said = f"{_article(self.kind)} from {self.minimum:.12g} to {self.maximum:.12g}"
        else:
            said = _article(self.kind)
        if self.multiple_of:
            said += f" in multiples of {self.multiple_of:g}"
        return said + (", or none" if self.optional else "")


SERVER_EXTRAS: tuple[str, ...] = (
    "hires_scale",
    "refiner",
    "restore_faces",
    "adetailer_model",
    "adetailer_options",
    "scripts",
)
"""What only some servers can do, by the setting that asks for it; a backend's capabilities name those it can."""

# Settings younger than the first variant ids: left out of the identity while at their default.
_ADDED = frozenset(SERVER_EXTRAS) | {
    "hires_upscaler",
    "hires_steps",
    "hires_denoise",
    "hires_sampler",
    "hires_scheduler",
    "hires_cfg_scale",
    "refiner_switch_at",
}
EXTRA_STEMS = {"hires_scale": "hires", "adetailer_model": "adetailer"}
"""What the names of an extra's settings begin with, where that is not its own name."""

_METADATA = ("run_id", "one_click_action", "learning_enabled", "learning_tags")
_ALIASES = {
    "sampler_name": "txt2img.sampler",
    "cfg": "txt2img.cfg_scale",
    "guidance_scale": "txt2img.cfg_scale",
    "denoising_strength": "img2img.denoise",
    "schedule": "txt2img.scheduler",
    "checkpoint": "model",
    "sd_model": "model",
}


@cache
def declared_settings() -> dict[str, Setting]:
    """Every setting by its path, in the order of declaration; run metadata is not among them."""
    found: dict[str, Setting] = {}
    for name, hint in get_type_hints(PipelineConfig, include_extras=True).items():
        if name in _METADATA:
            continue
        if name in STAGES:
            for inner, inner_hint in get_type_hints(hint, include_extras=True).items():
                found[f"{name}.{inner}"] = _setting(f"{name}.{inner}", inner_hint, _default(hint, inner))
        else:
            found[name] = _setting(name, hint, _default(PipelineConfig, name))
    return found


@cache
def resolve_setting(name: str) -> Setting:
    """The setting a person means by `name`: its path, its last part ("steps" is txt2img.steps), or a known alias.

    Raises UnknownSetting, naming the nearest.
    """
    settings = declared_settings()
    wanted = name.strip().casefold().replace("-", "_")
    wanted = _ALIASES.get(wanted, wanted)
    if wanted in settings:
        return settings[wanted]
    for path, setting in settings.items():
        if path.rpartition(".")[2] == wanted:
            return setting
    raise UnknownSetting(name, [*settings, *(path.rpartition(".")[2] for path in settings)])


def parse_value(setting: Setting, value: object) -> Any:
    """`value` (typed, or text as a person typed it) as the setting's own type.

    Raises InvalidSetting naming the setting, the value and what is allowed.
    """
    if isinstance(value, str):
        value = value.strip()
        if setting.optional and value.casefold() in ("none", "null"):
            value = None
        elif setting.kind == "array":
            value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, bool) and setting.kind in ("integer", "number"):
        raise InvalidSetting(setting.path, value, setting.allowed)
    try:
        return msgspec.convert(value, type=setting.type, strict=not isinstance(value, str))
    except msgspec.ValidationError as exc:
        raise InvalidSetting(setting.path, value, setting.allowed) from exc


def apply_settings(config: PipelineConfig, changes: Mapping[str, object]) -> PipelineConfig:
    """`config` with `changes` applied and checked: names as `resolve_setting` takes them, values as `parse_value`."""
    typed = {setting.path: parse_value(setting, value) for setting, value in _resolved(changes)}
    return check_config(replace_settings(config, typed))


def replace_settings(config: PipelineConfig, typed: Mapping[str, object]) -> PipelineConfig:
    """`config` with values already of their setting's type put at their paths; nothing is checked. For inner loops."""
    top: dict[str, Any] = {}
    for path, value in typed.items():
        stage, _, name = path.rpartition(".")
        if stage:
            top[stage] = dataclasses.replace(top.get(stage) or getattr(config, stage), **{name: value})
        else:
            top[name] = value
    return dataclasses.replace(config, **top)


def setting_value(config: PipelineConfig, path: str) -> Any:
    """What `config` holds at `path`."""
    value: Any = config
    for part in path.split("."):
        value = getattr(value, part)
    return value


def config_from_dict(data: Mapping[str, Any]) -> PipelineConfig:
    """A config from nested stages or from short names ({"steps": 30, "cfg_scale": 5}); run metadata is taken as it is.

    Raises InvalidSetting or UnknownSetting naming the field.
    """
    changes: dict[str, object] = {}
    metadata: dict[str, Any] = {}
    for key, value in data.items():
        if key in STAGES and isinstance(value, Mapping):
            changes |= {f"{key}.{_stage_key(inner)}": inner_value for inner, inner_value in value.items()}
        elif key in _METADATA:
            metadata[key] = _convert_metadata(key, value)
        else:
            changes[key] = value
    return apply_settings(dataclasses.replace(PipelineConfig(), **metadata), changes)


def config_to_dict(config: PipelineConfig) -> dict[str, Any]:
    """`config` as JSON types, in the form `config_from_dict` reads."""
    data: dict[str, Any] = msgspec.to_builtins(config)
    return data


def check_config(config: PipelineConfig) -> PipelineConfig:
    """`config` itself, once its settings agree with each other. Raises InvalidSetting."""
    order = [STAGES.index(stage) for stage in config.stages]
    if order != sorted(set(order)):
        raise InvalidSetting("stages", ",".join(config.stages), f"each stage once, in the order {', '.join(STAGES)}")
    if config.stages[0] != "txt2img" and config.img2img.init_image is None:
        allowed = "txt2img as the first stage, or img2img.init_image=FILE to start from"
        raise InvalidSetting("stages", ",".join(config.stages), allowed)
    if "upscale" in config.stages and config.upscale.method == "upscaler" and not config.upscale.upscaler:
        raise InvalidSetting("upscale.upscaler", None, "the name of an upscaler when upscale.method is upscaler")
    return config


def picture_settings(config: PipelineConfig) -> dict[str, Any]:
    """What of `config` can change the picture, as JSON types: model, VAE, and the settings of the enabled stages."""
    data: dict[str, Any] = {"model": config.model, "vae": config.vae, "stages": list(config.stages)}
    enabled = set(config.stages) | {"txt2img"}
    for stage in STAGES:
        if stage in enabled:
            data[stage] = _deciding(getattr(config, stage))
    return data


def server_extras_in_use(settings: Txt2ImgSettings | Img2ImgSettings) -> tuple[str, ...]:
    """The names of the settings in use that only some servers know (hires fix, refiner, ADetailer, scripts, ...).

    A backend that cannot do one of them refuses the request instead of leaving it out.
    """
    names = {field.name for field in dataclasses.fields(settings)}
    return tuple(name for name in SERVER_EXTRAS if name in names and getattr(settings, name) not in (None, False))


def extra_of(name: str) -> str | None:
    """Which of the server extras a stage's setting (without its stage) belongs to; None: to none of them."""
    return next(
        (each for each in SERVER_EXTRAS if name == each or name.startswith(f"{EXTRA_STEMS.get(each, each)}_")), None
    )


def _deciding(settings: object) -> dict[str, Any]:
    """A stage's settings without the later ones left alone, so that a picture asked for before them keeps its id."""
    data: dict[str, Any] = msgspec.to_builtins(settings)
    owner: Any = type(settings)
    unused = {name for name in data if name in _ADDED and data[name] == _default(owner, name)}
    return {name: value for name, value in data.items() if name not in unused}


def _resolved(changes: Mapping[str, object]) -> list[tuple[Setting, object]]:
    return [(resolve_setting(name), value) for name, value in changes.items()]


def _stage_key(name: str) -> str:
    return _ALIASES.get(name, name).rpartition(".")[2]


def _convert_metadata(key: str, value: object) -> Any:
    hint = get_type_hints(PipelineConfig, include_extras=True)[key]
    try:
        return msgspec.convert(value, type=hint)
    except msgspec.ValidationError as exc:
        raise InvalidSetting(key, value, re.sub(r" - at.*", "", str(exc))) from exc


@cache
def _default(owner: Any, name: str) -> object:
    for declared in dataclasses.fields(owner):
        if declared.name == name:
            made = declared.default_factory
            return declared.default if made is dataclasses.MISSING else made()
    raise AssertionError(name)


def _setting(path: str, hint: Any, default: object) -> Setting:
    schema = msgspec.json.schema(hint)
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    option = options[0] | {key: value for key, value in schema.items() if key != "anyOf"}
    return Setting(
        path=path,
        kind=option.get("type", "string"),
        default=default,
        help=option.get("description", ""),
        minimum=option.get("minimum"),
        maximum=option.get("maximum"),
        multiple_of=option.get("multipleOf"),
        choices=tuple(option.get("enum", ())),
        optional="anyOf" in schema,
        type=hint,
    )


def _article(kind: str) -> str:
    return {
        "integer": "a whole number",
        "number": "a number",
        "string": "a text",
        "boolean": "true or false",
        "array": "a comma-separated list of " + ", ".join(STAGES),
    }[kind]
