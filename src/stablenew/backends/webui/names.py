"""The names a person uses, as the names a server has: found, split, or refused with the nearest that exists.

A server of the WebUI family answers 200 to a name it does not know and takes another instead, so every name is looked
up before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stablenew.backends.webui.flavour import FileEntry, SamplerEntry, ServerFacts
from stablenew.errors import InvalidSetting, UnknownChoice

AUTOMATIC = "Automatic"
_LORA = re.compile(r"<(?:lora|lyco):([^:<>]+)(?::([^<>]*))?>")
_EMBEDDING = re.compile(r"\bembedding:([^\s,:()\[\]<>]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """A lora a prompt asks for: `name` as written there, `weight` 1 where the prompt gives none."""

    name: str
    weight: float
    path: str = ""


def plain(name: str) -> str:
    """`name` as it is compared: capitals, blanks, underscores and hyphens do not count ("Euler a" is "euler_a")."""
    return re.sub(r"[\s_-]+", "", name.casefold())


def find_sampling(facts: ServerFacts, backend: str, sampler: str, scheduler: str) -> tuple[SamplerEntry, str]:
    """The server's sampler and schedule for what was asked; the old joined form "DPM++ 2M Karras" is split.

    Raises UnknownChoice, or InvalidSetting when a joined form and `scheduler` contradict each other.
    """
    if facts.samplers is None:
        return SamplerEntry(name=sampler), find_scheduler(facts, backend, scheduler)
    found = _named(facts.samplers, sampler)
    if found is not None:
        return found, find_scheduler(facts, backend, scheduler)
    split = _split(facts, sampler)
    if split is None:
        known = [entry.name for entry in facts.samplers]
        raise UnknownChoice(backend=backend, kind="sampler", value=sampler, known=known)
    entry, within = split
    if plain(scheduler) not in (plain(AUTOMATIC), plain(within)):
        allowed = f"{entry.name}, as scheduler says {scheduler}: name one schedule only"
        raise InvalidSetting("sampler", sampler, allowed)
    return entry, within


def find_scheduler(facts: ServerFacts, backend: str, scheduler: str) -> str:
    """The server's label for the noise schedule. Raises UnknownChoice."""
    if plain(scheduler) == plain(AUTOMATIC) or facts.schedulers is None:
        return AUTOMATIC if plain(scheduler) == plain(AUTOMATIC) else scheduler
    found = _named(facts.schedulers, scheduler)
    if found is None:
        known = [entry.name for entry in facts.schedulers]
        raise UnknownChoice(backend=backend, kind="scheduler", value=scheduler, known=known)
    return found.name


def same_schedule(facts: ServerFacts, sampler: SamplerEntry, asked: str, done: str) -> bool:
    """Whether `done`, as the server reports it, is what `asked` means; Automatic leaves the choice to the server."""
    if plain(asked) == plain(AUTOMATIC) or plain(asked) == plain(done):
        return True
    if plain(done) == plain(AUTOMATIC):
        return bool(sampler.scheduler) and _one_schedule(facts, sampler.scheduler or "", asked)
    return _one_schedule(facts, asked, done)


def find_file(entries: tuple[FileEntry, ...] | None, backend: str, kind: str, value: str) -> FileEntry:
    """The file meant by `value`: its title, file name, name without ending, hash, or path; capitals do not count.

    Raises UnknownChoice, or InvalidSetting when the name fits several files.
    """
    if entries is None:
        return FileEntry(name=value)
    fitting = [entry for entry in entries if value in (entry.name, *entry.hashes)]
    fitting = fitting or [entry for entry in entries if _means(entry, value)]
    if not fitting:
        known = dict.fromkeys(name for entry in entries for name in (entry.name, *entry.aliases))
        raise UnknownChoice(backend=backend, kind=kind, value=value, known=known)
    if len(fitting) > 1:
        raise InvalidSetting(kind, value, "a full name, as it fits " + " and ".join(entry.name for entry in fitting))
    return fitting[0]


def find_name(names: Iterable[str] | None, backend: str, kind: str, value: str) -> str:
    """The server's own spelling of `value`, capitals ignored. Raises UnknownChoice."""
    if names is None:
        return value
    known = tuple(names)
    for name in known:
        if name == value or name.casefold() == value.casefold():
            return name
    raise UnknownChoice(backend=backend, kind=kind, value=value, known=known)


def find_loras(facts: ServerFacts, backend: str, prompt: str) -> tuple[Lora, ...]:
    """The loras the prompt names as `<lora:name:weight>`.

    Raises UnknownChoice for one the server has not: it would be left out without a word.
    """
    found = []
    for name, weight in _LORA.findall(prompt):
        entry = _lora(facts, backend, name.strip())
        found.append(Lora(name=name.strip(), weight=_weight(weight), path=entry.path))
    return tuple(found)


def without_loras(prompt: str) -> str:
    """The prompt without its lora tags, for a server that takes them apart from it."""
    return " ".join(_LORA.sub("", prompt).split())


def find_embeddings(facts: ServerFacts, backend: str, prompt: str) -> tuple[str, ...]:
    """The embeddings the prompt names as `embedding:name`. Raises UnknownChoice."""
    return tuple(find_name(facts.embeddings, backend, "embedding", name) for name in _EMBEDDING.findall(prompt))


def bare_embeddings(prompt: str) -> str:
    """The prompt with `embedding:name` in the bare form that WebUIs take, `name`."""
    return _EMBEDDING.sub(r"\1", prompt)


def same_file(entry: FileEntry, said: str) -> bool:
    """Whether the name `said` in an answer is this file: A1111 reports a model by name without folder and ending."""
    return _means(entry, said) or plain(said.replace("/", "_").replace("\\", "_")) in map(plain, entry.aliases)


def _named(entries: tuple[SamplerEntry, ...], wanted: str) -> SamplerEntry | None:
    for entry in entries:
        if entry.name == wanted:
            return entry
    for entry in entries:
        if plain(wanted) in (plain(entry.name), *map(plain, entry.aliases)):
            return entry
    return None


def _split(facts: ServerFacts, joined: str) -> tuple[SamplerEntry, str] | None:
    """Sampler and schedule of a joined form, the longest sampler first ("DPM++ 2M SDE" before "DPM++ 2M")."""
    for entry in sorted(facts.samplers or (), key=lambda entry: -len(entry.name)):
        if plain(joined).startswith(plain(entry.name)):
            rest = plain(joined)[len(plain(entry.name)) :]
            found = _named(facts.schedulers or (), rest)
            if found is not None:
                return entry, found.name
    return None


def _one_schedule(facts: ServerFacts, first: str, second: str) -> bool:
    known = facts.schedulers or ()
    return (_named(known, first) or SamplerEntry(name=first)) == (_named(known, second) or SamplerEntry(name=second))


def _means(entry: FileEntry, value: str) -> bool:
    wanted = value.casefold()
    if wanted in (entry.name.casefold(), entry.path.casefold(), *(alias.casefold() for alias in entry.aliases)):
        return True
    if re.fullmatch(r"[0-9a-f]{8,64}", wanted):
        return any(known.casefold().startswith(wanted) for known in entry.hashes)
    short = re.split(r"[/\\]", wanted)[-1]
    return short != wanted and short in (alias.casefold() for alias in entry.aliases)


def _lora(facts: ServerFacts, backend: str, name: str) -> FileEntry:
    if facts.loras is None:
        return FileEntry(name=name)
    for entry in facts.loras:
        if name in (entry.name, *entry.aliases):
            return entry
    known = [entry.name for entry in facts.loras]
    raise UnknownChoice(backend=backend, kind="lora", value=name, known=known)


def _weight(text: str) -> float:
    """The first number of a lora tag's arguments ("0.8" and "0.8:0.5"), 1 when there is none."""
    try:
        return float(text.split(":")[0])
    except ValueError:
        return 1.0
