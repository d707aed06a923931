"""A model that was found, loaded for drawing; and the library's exceptions as ours."""

from __future__ import annotations

import inspect
import pickle
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import huggingface_hub.errors
import torch
from safetensors import SafetensorError

from stablenew.backends.diffusers_local.models import (
    ModelSource,
    check_pipeline,
    has_only_fp16,
    model_hash,
    read_facts,
)
from stablenew.backends.diffusers_local.pipelines import FAMILIES, from_parts
from stablenew.errors import BackendError, BackendUnavailable, StableNewError
from stablenew.log import get_logger

_log = get_logger(__name__)


def _exceptions_of(module: object) -> tuple[type[Exception], ...]:
    """Every exception class a module names, warnings left out."""
    classes = (thing for thing in vars(module).values() if inspect.isclass(thing) and issubclass(thing, Exception))
    return tuple(thing for thing in classes if thing is not Exception and not issubclass(thing, Warning))


LIBRARY_ERRORS: tuple[type[Exception], ...] = (
    *_exceptions_of(huggingface_hub.errors),
    *_exceptions_of(torch),
    *_exceptions_of(torch.cuda),
    SafetensorError,
    torch.jit.Error,
    pickle.UnpicklingError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    OSError,
    ImportError,
    EOFError,
)
"""What torch, diffusers, transformers, safetensors and huggingface_hub raise when a model cannot be loaded or run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model in memory. `name`, `hash` and `vae` are as records carry them; `factor`: picture per latent pixels."""

    name: str
    hash: str | None
    vae: str | None
    txt2img: Any
    img2img: Any
    scheduler: Mapping[str, Any]
    device: torch.device
    dtype: torch.dtype
    factor: int
    native_size: tuple[int, int] | None
    text_layers: int
    xl: bool
    each_its_guidance: bool


@contextmanager
def library_errors(error: type[BackendError], backend: str, doing: str) -> Iterator[None]:
    """Turns what the libraries raise into `error`, whose text starts with what was being done."""
    try:
        yield
    except StableNewError:
        raise
    except LIBRARY_ERRORS as exc:
        raise error(backend, f"{doing}: {explain(exc)}") from exc


def explain(exc: Exception) -> str:
    """The first line of what a library's exception says, or its class where it says nothing."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return f"{type(exc).__name__}: {lines[0][:300]}" if lines else type(exc).__name__


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether the graphics card, or the machine, had too little memory."""
    if isinstance(exc, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(exc).casefold()
    return isinstance(exc, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def choose_device(asked: str | None) -> torch.device:
    """The device asked for, or the best there is. Raises BackendUnavailable's cause, RuntimeError, for a bad name."""
    if asked is not None:
        return torch.device(asked)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_dtype(asked: str | None, device: torch.device) -> torch.dtype:
    """The number type asked for, or float16 on a graphics card and float32 on a CPU."""
    if asked is not None:
        found: torch.dtype = getattr(torch, asked)
        return found
    return torch.float32 if device.type == "cpu" else torch.float16


def load_model(
    source: ModelSource,
    vae: ModelSource | None,
    *,
    backend: str,
    device: str | None = None,
    dtype: str | None = None,
    config: str | None = None,
) -> LoadedModel:
    """Load a model, and `vae` in place of its own. Blocks for as long as that takes; a hub id may be downloaded.

    `config` is a diffusers folder that describes a single-file checkpoint, which is otherwise asked from the hub.
    Raises BackendUnavailable, or InvalidSetting when it is no Stable Diffusion.
    """
    started = time.perf_counter()
    doing = f"model {source.name} cannot be loaded"
    if source.kind == "file" and config is None:
        doing += " (without a network, set config to a diffusers folder of the same family)"
    with library_errors(BackendUnavailable, backend, doing):
        where = choose_device(device)
        numbers = choose_dtype(dtype, where)
        located = _download(source) if source.kind == "hub" else source
        loaded = _from_file(located, numbers, config) if located.kind == "file" else _from_folder(located, numbers)
        if vae is not None:
            loaded.register_modules(vae=_load_vae(vae, numbers))
        loaded.to(where, numbers)
        made = _describe(located, vae, loaded, where, numbers)
    _log.info("model loaded", model=made.name, device=str(where), seconds=round(time.perf_counter() - started, 2))
    return made


def _describe(
    source: ModelSource, vae: ModelSource | None, loaded: Any, device: torch.device, dtype: torch.dtype
) -> LoadedModel:
    family = FAMILIES[_kind(source, loaded)]
    if device.type == "cpu":
        loaded.unet.to(memory_format=torch.channels_last)
        loaded.vae.to(memory_format=torch.channels_last)
    txt2img = from_parts(family.txt2img, loaded)
    sample, factor = loaded.unet.config.sample_size, txt2img.vae_scale_factor
    return LoadedModel(
        name=source.name,
        hash=model_hash(source),
        vae=vae.name if vae is not None else None,
        txt2img=txt2img,
        img2img=from_parts(family.img2img, loaded),
        scheduler=dict(loaded.scheduler.config),
        device=device,
        dtype=dtype,
        factor=factor,
        native_size=(sample * factor, sample * factor) if isinstance(sample, int) else None,
        text_layers=loaded.text_encoder.config.num_hidden_layers,
        xl=_kind(source, loaded) == "StableDiffusionXLPipeline",
        each_its_guidance=loaded.unet.config.time_cond_proj_dim is None,
    )


def _kind(source: ModelSource, loaded: Any) -> str:
    name = next((name for name, family in FAMILIES.items() if isinstance(loaded, family.loader)), None)
    if name is None:
        check_pipeline(source, type(loaded).__name__)
        raise TypeError(type(loaded).__name__)
    return name


def _from_folder(source: ModelSource, dtype: torch.dtype) -> Any:
    pipeline = read_facts(source).pipeline
    check_pipeline(source, pipeline)
    folder = Path(source.location)
    loader = FAMILIES[str(pipeline)].loader
    options: dict[str, Any] = {"variant": "fp16"} if has_only_fp16(folder) else {}
    if pipeline == "StableDiffusionPipeline":
        options |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return loader.from_pretrained(str(folder), torch_dtype=dtype, local_files_only=True, **options)


def _from_file(source: ModelSource, dtype: torch.dtype, config: str | None) -> Any:
    options: dict[str, Any] = {"config": config, "local_files_only": True} if config else {}
    kind = (
        read_facts(ModelSource(kind="folder", name="", location=config)).pipeline if config else _kind_of_file(source)
    )
    check_pipeline(source, kind)
    loader = FAMILIES[str(kind)].loader
    return loader.from_single_file(source.location, torch_dtype=dtype, **options)


def _kind_of_file(source: ModelSource) -> str:
    """The pipeline class for a checkpoint, by the names of its tensors."""
    from diffusers.loaders.single_file_utils import infer_diffusers_model_type, load_single_file_checkpoint

    found: str = infer_diffusers_model_type(load_single_file_checkpoint(source.location))
    known = {"v1": "StableDiffusionPipeline", "v2": "StableDiffusionPipeline", "xl_base": "StableDiffusionXLPipeline"}
    return known.get(found, found)


def _download(source: ModelSource) -> ModelSource:
    """The folder of a hub id: from the local cache if it is there, else downloaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            folder = diffusers.DiffusionPipeline.download(source.location, local_files_only=True)
        except LIBRARY_ERRORS:
            folder = diffusers.DiffusionPipeline.download(source.location)
    return ModelSource(kind="folder", name=source.name, location=str(folder))


def _load_vae(source: ModelSource, dtype: torch.dtype) -> Any:
    if source.kind == "file":
        return diffusers.AutoencoderKL.from_single_file(source.location, torch_dtype=dtype)
    return diffusers.AutoModel.from_pretrained(source.location, torch_dtype=dtype)
