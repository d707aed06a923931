"""Where a model is and what its configuration files say, without loading it; imports no torch."""

from __future__ import annotations

import hashlib
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from stablenew.errors import BackendUnavailable, InvalidSetting, UnknownChoice

EMBEDDED = "tiny"
"""The name of the model that comes with StableNew."""

_CHECKPOINTS = (".safetensors", ".ckpt")
_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_SIZES = {"StableDiffusionPipeline": 512, "StableDiffusionXLPipeline": 1024}
PIPELINES = tuple(_SIZES)
"""The kinds of model that can be run, by the class name in a folder's model_index.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model that was found. `name` is what records carry: never a path of this machine."""

    kind: Literal["folder", "file", "hub"]
    name: str
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a model's configuration files say; None or empty: unknown before it is loaded."""

    pipeline: str | None = None
    native_size: tuple[int, int] | None = None
    text_layers: int | None = None
    scheduler: Mapping[str, Any] = field(default_factory=dict)


def find_model(asked: str | None, *, backend: str, workspace: Path | None = None) -> ModelSource:
    """The model meant by `asked`: None or "tiny" the embedded one, else a diffusers folder, a checkpoint or a hub id.

    A relative name is also looked for in the folder `models` of the workspace. Raises UnknownChoice, InvalidSetting for
    a folder that holds no model, BackendUnavailable when the embedded model is missing.
    """
    if asked is None or asked == EMBEDDED:
        return ModelSource(kind="folder", name=EMBEDDED, location=str(_embedded(backend)))
    try:
        return _find_model(asked, backend, workspace)
    except OSError as exc:
        raise InvalidSetting("model", asked, f"a place that can be read ({exc.strerror})") from exc


def _find_model(asked: str, backend: str, workspace: Path | None) -> ModelSource:
    for path in _places(asked, workspace):
        if path.suffix in _CHECKPOINTS and path.is_file():
            return ModelSource(kind="file", name=path.stem, location=str(path.resolve()))
        if path.is_dir():
            if not (path / "model_index.json").is_file():
                raise InvalidSetting("model", asked, "a diffusers folder, which has a model_index.json")
            return ModelSource(kind="folder", name=path.resolve().name, location=str(path.resolve()))
    if _HUB_ID.fullmatch(asked) and Path(asked).suffix not in _CHECKPOINTS:
        return ModelSource(kind="hub", name=asked, location=asked)
    raise UnknownChoice(backend=backend, kind="model", value=asked, known=_neighbours(asked, workspace))


def find_vae(asked: str, *, backend: str, workspace: Path | None = None) -> ModelSource:
    """The VAE meant by `asked`: a diffusers folder, a checkpoint file or a hub id. Raises as `find_model`."""
    try:
        return _find_vae(asked, backend, workspace)
    except OSError as exc:
        raise InvalidSetting("vae", asked, f"a place that can be read ({exc.strerror})") from exc


def _find_vae(asked: str, backend: str, workspace: Path | None) -> ModelSource:
    for path in _places(asked, workspace):
        if path.is_file() and path.suffix in _CHECKPOINTS:
            return ModelSource(kind="file", name=path.stem, location=str(path.resolve()))
        if (path / "config.json").is_file():
            return ModelSource(kind="folder", name=path.resolve().name, location=str(path.resolve()))
    if _HUB_ID.fullmatch(asked) and Path(asked).suffix not in _CHECKPOINTS:
        return ModelSource(kind="hub", name=asked, location=asked)
    raise UnknownChoice(backend=backend, kind="VAE", value=asked, known=_neighbours(asked, workspace))


@lru_cache(maxsize=64)
def read_facts(source: ModelSource) -> ModelFacts:
    """What the configuration files of a folder say; nothing for a single file or a hub id. Raises InvalidSetting."""
    if source.kind != "folder":
        return ModelFacts()
    folder = Path(source.location)
    pipeline = _read(folder / "model_index.json").get("_class_name")
    sample, factor = _read(folder / "unet/config.json").get("sample_size"), _vae_factor(folder)
    text_layers = _read(folder / "text_encoder/config.json").get("num_hidden_layers")
    side = sample * factor if isinstance(sample, int) else _SIZES.get(str(pipeline))
    return ModelFacts(
        pipeline=pipeline,
        native_size=(side, side) if side else None,
        text_layers=text_layers,
        scheduler=_read(folder / "scheduler/scheduler_config.json"),
    )


def check_pipeline(source: ModelSource, pipeline: str | None) -> None:
    """Raises InvalidSetting when the model is of a kind that cannot be run here."""
    if pipeline is not None and pipeline not in PIPELINES:
        allowed = f"a Stable Diffusion 1.x, 2.x or XL model; this one is a {pipeline}"
        raise InvalidSetting("model", source.name, allowed)


def model_hash(source: ModelSource) -> str | None:
    """First 10 hex digits of the SHA-256 of the checkpoint file, as A1111 shows it; of a folder: of its UNet's weights.

    A sharded UNet is hashed shard after shard in the order of their names. None for a hub id that is not yet a folder.
    """
    if source.kind == "hub":
        return None
    path = Path(source.location)
    files = [path] if source.kind == "file" else _weights(path / "unet")
    if not files:
        return None
    return _hash_files(tuple((str(file), (seen := file.stat()).st_size, seen.st_mtime_ns) for file in files))


@lru_cache(maxsize=256)
def _hash_files(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, _, _ in files:
        with Path(name).open("rb") as opened:
            while chunk := opened.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:10]


def has_only_fp16(folder: Path) -> bool:
    """Whether a folder's UNet comes only as the variant fp16."""
    names = [file.name for file in _weights(folder / "unet")]
    return bool(names) and all(".fp16." in name for name in names)


def _weights(folder: Path) -> list[Path]:
    found = sorted(file for pattern in ("*.safetensors", "*.bin") for file in folder.glob(pattern))
    safe = [file for file in found if file.suffix == ".safetensors"] or found
    return [file for file in safe if ".fp16" not in file.name] or safe


def _embedded(backend: str) -> Path:
    folder = Path(str(importlib.resources.files("stablenew.models") / EMBEDDED))
    if not (folder / "model_index.json").is_file():
        message = "the embedded model is missing from this installation: reinstall StableNew, or give --model"
        raise BackendUnavailable(backend, message)
    return folder


def _places(asked: str, workspace: Path | None) -> list[Path]:
    """Paths `asked` may mean; a text that cannot be a path means none."""
    if not asked or "\0" in asked:
        return []
    path = Path(asked)
    try:
        path = path.expanduser()
        path.is_dir()
    except (RuntimeError, OSError):
        return []
    places = [path]
    if workspace is not None and not path.is_absolute() and ".." not in path.parts:
        places.append(workspace / "models" / path)
    return places


def _neighbours(asked: str, workspace: Path | None) -> list[str]:
    """Names that would have been found beside where `asked` was looked for."""
    names = [EMBEDDED]
    for place in _places(asked, workspace):
        parent = place.parent
        if parent.is_dir():
            models = [path for path in parent.iterdir() if _is_model(path)]
            prefix = Path(asked).parent
            names += sorted(str(prefix / path.name) for path in models)
    return names


def _is_model(path: Path) -> bool:
    return path.suffix in _CHECKPOINTS or (path / "model_index.json").is_file()


def _vae_factor(folder: Path) -> int:
    """Picture pixels per latent pixel: one doubling less than the VAE has blocks."""
    config = _read(folder / "vae/config.json")
    blocks = config.get("block_out_channels") or config.get("decoder_block_out_channels") or [0] * 4
    return int(2 ** (len(blocks) - 1))


def _read(path: Path) -> dict[str, Any]:
    """The object in a JSON file, empty when there is no such file. Raises InvalidSetting when it is none."""
    try:
        data = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as exc:
        raise InvalidSetting(
            "model", path.parent.name, f"a diffusers folder, but {path.name} cannot be read: {exc}"
        ) from exc
    return data if isinstance(data, dict) else {}
