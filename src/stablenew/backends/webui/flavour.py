"""What a server of the WebUI family is and what it has, asked once at connect.

Five flavours speak nearly the same API: AUTOMATIC1111, Forge, reForge, SD.Next and stable-diffusion.cpp. They are told
apart by the paths they offer. A list that a server does not offer is None, and what depends on it is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from stablenew.backends.http_errors import NoReply
from stablenew.backends.webui.client import ABSENT, Reply, WebUIClient, decode
from stablenew.errors import BackendUnavailable

Flavour = Literal["A1111", "Forge", "reForge", "SD.Next", "sd.cpp"]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerEntry:
    """A sampler or a schedule by the `name` to send; `scheduler` is the sampler's own when Automatic is asked for."""

    name: str
    aliases: tuple[str, ...] = ()
    scheduler: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A model, VAE, refiner or lora: `name` is what to send; any of `aliases` and `hashes` may be what a person says.

    `path` is where the server has it: only ever sent back, never used as a path here.
    """

    name: str
    aliases: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """One server as it was at connect. Lists that are None are not offered by it."""

    flavour: Flavour
    version: str = ""
    samplers: tuple[SamplerEntry, ...] | None = None
    schedulers: tuple[SamplerEntry, ...] | None = None
    models: tuple[FileEntry, ...] | None = None
    vaes: tuple[FileEntry, ...] | None = None
    upscalers: tuple[str, ...] | None = None
    latent_upscalers: tuple[str, ...] = ()
    loras: tuple[FileEntry, ...] | None = None
    embeddings: tuple[str, ...] | None = None
    scripts: tuple[str, ...] | None = None
    adetailer_models: tuple[str, ...] | None = None
    adetailer_schema: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    sets_options: bool = False
    task_progress: bool = False
    progress: bool = False
    extras: bool = False

    @property
    def size_step(self) -> int:
        """Sides must be a multiple of this many pixels; anything else is rounded in silence."""
        return 64 if self.flavour == "sd.cpp" else 8

    @property
    def poll_s(self) -> float:
        """How often progress may be asked: SD.Next counts every call and answers 429 above 300 a minute."""
        return 1.5 if self.flavour == "SD.Next" else 0.5


def read_server(client: WebUIClient) -> ServerFacts:
    """Ask the server what it is and has. Raises BackendUnavailable when it is none of ours or refuses."""
    options = _options(client)
    paths = _paths(client)
    flavour = _flavour(client, paths)
    scripts = _scripts(client, paths)
    if flavour == "A1111" and any(name.endswith(" integrated") for name in scripts or ()):
        flavour = "reForge"
    return ServerFacts(
        flavour=flavour,
        version=_version(client, flavour),
        samplers=_samplers(_rows(client, "/sdapi/v1/samplers")),
        schedulers=_schedulers(_rows(client, "/sdapi/v1/schedulers")),
        models=_models(_rows(client, "/sdapi/v1/sd-models")),
        vaes=_vaes(_rows(client, "/sdapi/v1/sd-modules" if flavour == "Forge" else "/sdapi/v1/sd-vae")),
        upscalers=_names(_rows(client, "/sdapi/v1/upscalers")),
        latent_upscalers=_names(_rows(client, "/sdapi/v1/latent-upscale-modes")) or (),
        loras=_loras(_rows(client, "/sdapi/v1/loras")),
        embeddings=_embeddings(client),
        scripts=scripts,
        adetailer_models=_adetailer_models(client, paths),
        adetailer_schema=_dict(_object(client, "/adetailer/v1/schema", paths), "properties"),
        options=options,
        sets_options=flavour != "sd.cpp",
        task_progress="/internal/progress" in paths and "/internal/pending-tasks" in paths,
        progress=flavour != "sd.cpp",
        extras=flavour != "sd.cpp",
    )


def _options(client: WebUIClient) -> Mapping[str, Any]:
    """The server's options: the one route that every flavour has, so that whoever lacks it is no WebUI."""
    options = client.listing("/sdapi/v1/options", dict[str, Any])
    if options is None:
        hint = "start the WebUI with --api; ComfyUI is another kind of backend"
        raise BackendUnavailable(client.name, f"{client.url} answers, but offers no WebUI API: {hint}")
    return options


def _paths(client: WebUIClient) -> frozenset[str]:
    """The routes the server describes; empty where it describes none (SD.Next without --docs, sd.cpp)."""
    answer = client.get("/openapi.json")
    if isinstance(answer, NoReply):
        raise client.unavailable(answer)
    described = decode(answer, dict[str, Any]) if answer.ok else {}
    paths = described.get("paths") if isinstance(described, dict) else None
    return frozenset(paths) if isinstance(paths, dict) else frozenset()


def _flavour(client: WebUIClient, paths: frozenset[str]) -> Flavour:
    if "/sdapi/v1/sd-modules" in paths:
        return "Forge"
    if _offers(client, "/sdapi/v1/version", paths):
        return "SD.Next"
    if paths:
        return "A1111"
    return "A1111" if _offers(client, "/sdapi/v1/cmd-flags", paths) else "sd.cpp"


def _offers(client: WebUIClient, path: str, paths: frozenset[str]) -> bool:
    if paths:
        return path in paths
    answer = client.get(path)
    return isinstance(answer, Reply) and answer.status not in ABSENT


def _version(client: WebUIClient, flavour: Flavour) -> str:
    """SD.Next says its version at once; the others only with a picture."""
    if flavour != "SD.Next":
        return ""
    said = client.listing("/sdapi/v1/version", object)
    if isinstance(said, str):
        return said
    if isinstance(said, dict):
        return next((said[key] for key in ("updated", "hash", "version") if isinstance(said.get(key), str)), "")
    return ""


def _rows(client: WebUIClient, path: str) -> list[Row] | None:
    """The objects of a list; anything else in it is passed over, and None means the route is not there."""
    found = client.listing(path, object)
    if not isinstance(found, list):
        return None
    return [row for row in found if isinstance(row, dict)]


def _object(client: WebUIClient, path: str, paths: frozenset[str]) -> Row:
    found = client.listing(path, object) if path in paths else None
    return found if isinstance(found, dict) else {}


def _samplers(rows: list[Row] | None) -> tuple[SamplerEntry, ...] | None:
    if rows is None:
        return None
    return tuple(
        SamplerEntry(name=name, aliases=_texts(row.get("aliases")), scheduler=_text(_dict(row, "options"), "scheduler"))
        for row in rows
        if (name := _text(row, "name"))
    )


def _schedulers(rows: list[Row] | None) -> tuple[SamplerEntry, ...] | None:
    """Schedules by the label that infotexts carry; the short name is an alias."""
    if rows is None:
        return None
    entries = []
    for row in rows:
        name, label = _text(row, "name"), _text(row, "label")
        if label or name:
            aliases = (*((name,) if name else ()), *_texts(row.get("aliases")))
            entries.append(SamplerEntry(name=label or name or "", aliases=aliases))
    return tuple(entries)


def _models(rows: list[Row] | None) -> tuple[FileEntry, ...] | None:
    """Checkpoints by title, which every flavour takes; it holds the hash only once that was computed."""
    if rows is None:
        return None
    entries = []
    for row in rows:
        title, path = _text(row, "title") or _text(row, "model_name"), _text(row, "filename") or ""
        if title:
            hashes = tuple(said for key in ("hash", "sha256") if (said := _text(row, key)))
            names = (_text(row, "model_name"), title.rpartition(" [")[0], *_file_names(path))
            entries.append(FileEntry(name=title, aliases=_unique(names), hashes=hashes, path=path))
    return tuple(entries)


def _vaes(rows: list[Row] | None) -> tuple[FileEntry, ...] | None:
    if rows is None:
        return None
    entries = []
    for row in rows:
        path, name = _text(row, "filename") or "", _text(row, "model_name")
        if name:
            entries.append(FileEntry(name=name, aliases=_unique(_file_names(path)), path=path))
    return tuple(entries)


def _loras(rows: list[Row] | None) -> tuple[FileEntry, ...] | None:
    if rows is None:
        return None
    entries = []
    for row in rows:
        path, name = _text(row, "path") or "", _text(row, "name")
        if name:
            entries.append(FileEntry(name=name, aliases=_unique((_text(row, "alias"), *_file_names(path))), path=path))
    return tuple(entries)


def _names(rows: list[Row] | None) -> tuple[str, ...] | None:
    if rows is None:
        return None
    return tuple(name for row in rows if (name := _text(row, "name")) and name != "None")


def _embeddings(client: WebUIClient) -> tuple[str, ...] | None:
    found = client.listing("/sdapi/v1/embeddings", object)
    loaded = found.get("loaded") if isinstance(found, dict) else None
    if isinstance(loaded, list):
        return _texts(loaded)
    return tuple(str(name) for name in loaded) if isinstance(loaded, dict) else None


def _scripts(client: WebUIClient, paths: frozenset[str]) -> tuple[str, ...] | None:
    if paths and "/sdapi/v1/scripts" not in paths:
        return None
    found = client.listing("/sdapi/v1/scripts", object)
    if not isinstance(found, dict):
        return None
    return _unique((*_texts(found.get("txt2img")), *_texts(found.get("img2img"))))


def _adetailer_models(client: WebUIClient, paths: frozenset[str]) -> tuple[str, ...] | None:
    if "/adetailer/v1/ad_model" not in paths:
        return None
    found = client.listing("/adetailer/v1/ad_model", object)
    names = found.get("ad_model") if isinstance(found, dict) else found
    return _texts(names)


def _file_names(path: str) -> tuple[str, ...]:
    """The file's name with and without its ending, whichever system the server runs on."""
    plain = PurePosixPath(path.replace("\\", "/"))
    return (plain.name, plain.stem) if plain.name else ()


def _text(row: Row, key: str) -> str | None:
    value = row.get(key)
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str) and item) if isinstance(value, list) else ()


def _dict(row: Row, key: str) -> Row:
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _unique(names: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))
