"""The drawn pictures of a run, and their captions, attributes and latents."""

from __future__ import annotations

import os
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.captions import describe
from training.drawing import SIZE, draw
from training.labels import said_vector, seen_in, seen_vector
from training.progress import say
from training.settings import Settings
from training.world import Landscape, Picture, pick_picture

CAPTIONS = 4  # ways of saying each picture
CHUNK = 4000
EASY, SINGLE, PAIR, GROUP, VIEW = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Pictures uint8 [N, 64, 64, 3], what they have uint8 [N, SEEN], their captions [N * CAPTIONS], kinds int8 [N]."""

    pixels: NDArray[np.uint8]
    seen: NDArray[np.uint8]
    said: NDArray[np.uint8]
    texts: list[str]
    kinds: NDArray[np.int8]


def kind_of(picture: Picture) -> int:
    """Gives which lesson a picture belongs to; EASY is one large or medium object."""
    if isinstance(picture, Landscape):
        return VIEW
    if picture.layout == "single":
        return SINGLE if picture.things[0].size == "small" else EASY
    return GROUP if picture.layout == "group" else PAIR


def pictures(settings: Settings) -> Drawn:
    """Gives the run's pictures: drawn once by all processors, then read from `out/pictures`. Resumes by chunks."""
    folder = settings.out / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [min(CHUNK, settings.pictures - at) for at in range(0, settings.pictures, CHUNK)]
    jobs = [(folder / f"{i:04d}.npz", settings.seed, i, size) for i, size in enumerate(sizes)]
    missing = [job for job in jobs if not job[0].exists()]
    if missing:
        say(f"pictures: drawing {len(missing)} of {len(jobs)} chunks")
        with ProcessPoolExecutor(min(len(missing), os.cpu_count() or 1)) as pool:
            for done, _ in enumerate(pool.map(draw_chunk, missing), 1):
                say(f"pictures: {done} of {len(missing)} chunks") if done % 5 == 0 else None
    return _joined([np.load(job[0]) for job in jobs])


def draw_chunk(job: tuple[Path, int, int, int]) -> None:
    """Draws one chunk and writes it; the same seed and number give the same chunk."""
    path, seed, number, size = job
    rng = random.Random(f"{seed}:{number}")
    drawn = [pick_picture(rng) for _ in range(size)]
    captions = [describe(picture, rng) for picture in drawn for _ in range(CAPTIONS)]
    beside = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    np.savez(
        beside,
        pixels=np.stack([draw(picture) for picture in drawn]),
        seen=np.stack([seen_vector(seen_in(picture)) for picture in drawn]),
        said=np.stack([said_vector(caption.said) for caption in captions]),
        texts=np.array([caption.text for caption in captions]),
        kinds=np.array([kind_of(picture) for picture in drawn], dtype=np.int8),
    )
    beside.replace(path)


def _joined(chunks: list[np.lib.npyio.NpzFile]) -> Drawn:
    count = sum(chunk["kinds"].shape[0] for chunk in chunks)
    pixels = np.empty((count, SIZE, SIZE, 3), dtype=np.uint8)
    at = 0
    for chunk in chunks:
        part = chunk["pixels"]
        pixels[at : at + len(part)] = part
        at += len(part)
    return Drawn(
        pixels=pixels,
        seen=np.concatenate([chunk["seen"] for chunk in chunks]),
        said=np.concatenate([chunk["said"] for chunk in chunks]),
        texts=[str(text) for chunk in chunks for text in chunk["texts"]],
        kinds=np.concatenate([chunk["kinds"] for chunk in chunks]),
    )
