"""Makes pictures with the finished folder and counts what is right in them: the figures and tables of the card."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from stablenew.backends.tiny_scorer import Eye
from training import export
from training.captions import describe
from training.drawing import draw
from training.judge import best, looks_of_two, tell
from training.labels import SEEN
from training.world import Picture, pick_landscape, pick_pair, pick_single

STEPS, GUIDANCE = 20, 4.0  # the recommended settings, found with `tables`
BATCH = 25
Rows = list[tuple[str, dict[str, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A caption to make, what it states, and whether it holds a combination kept out of training."""

    text: str
    said: frozenset[str]
    unseen: bool

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Gives the colour and shape of every object asked for."""
        looks = (name.removeprefix("pair:").split(" ") for name in sorted(self.said) if name.startswith("pair:"))
        return [(colour, shape) for colour, shape in looks]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """Settings of one series of pictures; the sampler is a diffusers class with what it is told."""

    steps: int = STEPS
    guidance: float = GUIDANCE
    sampler: str = "EulerDiscreteScheduler"
    told: dict[str, object] = field(default_factory=dict)
    negative: str = ""


def questions(seed: int, count: int) -> list[Asked]:
    """Gives captions of single objects (64 %) and pairs (36 %), a fifth of each with an unseen combination."""
    rng = random.Random(f"{seed}:questions")
    asked = []
    for i in range(count):
        unseen = i % 5 == 0
        picture: Picture = pick_single(rng, unseen=unseen) if i % 25 < 16 else pick_pair(rng, unseen=unseen)
        caption = describe(picture, rng)
        asked.append(Asked(text=caption.text, said=caption.said, unseen=unseen))
    return asked


def views(seed: int, count: int) -> list[Asked]:
    """Gives captions of landscapes."""
    rng = random.Random(f"{seed}:views")
    captions = [describe(pick_landscape(rng), rng) for _ in range(count)]
    return [Asked(text=caption.text, said=caption.said, unseen=False) for caption in captions]


def load_pipeline(folder: Path) -> StableDiffusionPipeline:
    """Loads the folder as anyone would."""
    made = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    made.set_progress_bar_config(disable=True)
    return made


def set_sampler(pipe: StableDiffusionPipeline, how: How) -> None:
    """Gives the pipeline the sampler, built from the model's own settings and not from the last sampler's."""
    pipe.scheduler = getattr(diffusers, how.sampler).from_config(dict(export.scheduler().config), **how.told)


def make(pipe: StableDiffusionPipeline, texts: Sequence[str], how: How, seed: int = 7) -> NDArray[np.uint8]:
    """Gives one picture of each text, uint8 [N, 64, 64, 3]; picture i has the seed `seed + i` whatever the batch."""
    set_sampler(pipe, how)
    made = []
    for at in range(0, len(texts), BATCH):
        part = list(texts[at : at + BATCH])
        generators = [torch.Generator().manual_seed(seed + at + i) for i in range(len(part))]
        pictures = pipe(part, negative_prompt=[how.negative] * len(part), num_inference_steps=how.steps,
                        guidance_scale=how.guidance, generator=generators, height=64, width=64,
                        output_type="np").images  # fmt: skip
        made.append((pictures * 255).round().astype(np.uint8))
    return np.concatenate(made)


def right(eye: Eye, pixels: NDArray[np.uint8], asked: Sequence[Asked]) -> dict[str, float]:
    """Gives the shares of right pictures, each over the captions it applies to, and how clean they are."""
    told = tell(eye, pixels)
    colours, shapes, backgrounds = (best(told, group) for group in ("colour", "shape", "background"))
    marks: dict[str, list[bool]] = {}
    for i, question in enumerate(asked):
        pairs = question.pairs
        if len(pairs) == 1:
            (colour, shape), kind = pairs[0], "unseen" if question.unseen else "seen"
            marks.setdefault("colour", []).append(colours[i] == colour)
            marks.setdefault("shape", []).append(shapes[i] == shape)
            marks.setdefault("colour and shape", []).append((colours[i], shapes[i]) == pairs[0])
            marks.setdefault(f"shape, {kind}", []).append(shapes[i] == shape)
            for size in ("small", "large"):
                if f"size:{size}" in question.said:
                    marks.setdefault(f"shape, {size}", []).append(shapes[i] == shape)
        elif len(pairs) == 2:
            found = looks_of_two(eye, pixels[i : i + 1], np.array(["layout:stacked" in question.said]))[0]
            marks.setdefault("both of two", []).append(sorted(found) == sorted(pairs))
            marks.setdefault("one of two", []).append(bool(set(found) & set(pairs)))
            marks.setdefault("both colours", []).append({c for c, _ in found} == {c for c, _ in pairs})
            marks.setdefault("both shapes", []).append({s for _, s in found} == {s for _, s in pairs})
        for name in question.said:
            if name.startswith("background:"):
                marks.setdefault("background", []).append(backgrounds[i] == name.removeprefix("background:"))
            elif name in SEEN and "landscape" in question.said:
                marks.setdefault("landscape details", []).append(bool(told[i, SEEN.index(name)] > 0))
    shares = {name: sum(values) / len(values) for name, values in marks.items()}
    return shares | {"clean": float(told[:, -1].sigmoid().mean())}


def mean_score(eye: Eye, pixels: NDArray[np.uint8], asked: Sequence[Asked]) -> float:
    """Gives the mean of what is asked for, times how clean it is: the scorer's number, at one look."""
    told = tell(eye, pixels).sigmoid()
    scores = []
    for i, question in enumerate(asked):
        places = [SEEN.index(name) for name in question.said if name in SEEN]
        scores.append(float(told[i, places].clamp(min=1e-3).log().mean().exp() * told[i, -1]))
    return sum(scores) / len(scores)


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Gives the mean difference of pixels, 0 to 255."""
    return float(np.abs(one.astype(np.float32) - other.astype(np.float32)).mean())


def steps_table(pipe: StableDiffusionPipeline, eye: Eye, asked: Sequence[Asked]) -> Rows:
    """Quality against steps."""
    return [_row(pipe, eye, asked, f"{n} steps", How(steps=n)) for n in (2, 3, 4, 6, 8, 12, 20, 30, 60)]


def guidance_table(
    pipe: StableDiffusionPipeline, eye: Eye, asked: Sequence[Asked]
) -> list[tuple[str, dict[str, float]]]:
    """Quality against guidance."""
    scales = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5, 10.0, 15.0)
    return [_row(pipe, eye, asked, f"guidance {g:g}", How(guidance=g)) for g in scales]


def sampler_table(
    pipe: StableDiffusionPipeline, eye: Eye, asked: Sequence[Asked]
) -> list[tuple[str, dict[str, float]]]:
    """Quality with other samplers and schedules at 20 steps, with the usual ones at 8 too."""
    karras: dict[str, object] = {"use_karras_sigmas": True}
    usual: list[tuple[str, str, dict[str, object]]] = [
        ("Euler", "EulerDiscreteScheduler", {}),
        ("Euler Karras", "EulerDiscreteScheduler", karras),
        ("Euler a", "EulerAncestralDiscreteScheduler", {}),
        ("DPM++ 2M", "DPMSolverMultistepScheduler", {}),
        ("DPM++ 2M Karras", "DPMSolverMultistepScheduler", karras),
    ]
    more: list[tuple[str, str, dict[str, object]]] = [
        ("DPM++ 2M SDE", "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("Heun", "HeunDiscreteScheduler", {}),
        ("UniPC", "UniPCMultistepScheduler", {}),
        ("DDIM", "DDIMScheduler", {"clip_sample": False}),
        ("LMS", "LMSDiscreteScheduler", {}),
        ("PLMS", "PNDMScheduler", {"skip_prk_steps": True}),
    ]
    series = [(8, *row) for row in usual] + [(20, *row) for row in usual + more]
    return [
        _row(pipe, eye, asked, f"{name}, {steps} steps", How(steps=steps, sampler=kind, told=told))
        for steps, name, kind, told in series
    ]


def _row(
    pipe: StableDiffusionPipeline, eye: Eye, asked: Sequence[Asked], name: str, how: How
) -> tuple[str, dict[str, float]]:
    pixels = make(pipe, [question.text for question in asked], how)
    found = right(eye, pixels, asked)
    return name, {**found, "score": mean_score(eye, pixels, asked)}


def negatives(pipe: StableDiffusionPipeline, eye: Eye, count: int = 32) -> list[tuple[str, float, float]]:
    """Gives, for prompts that leave something open, how often it is there without and with the negative prompt."""
    cases = [
        ("a red house on the grass by day", "a tree", "tree"),
        ("a red house on the grass by day", "a red house on the grass by day with a tree", "tree"),
        ("a blue boat on the sea by day", "the sun", "sun"),
        ("a blue boat on the sea by day", "a blue boat on the sea by day with the sun", "sun"),
        ("a tree on the grass at night", "the moon", "moon"),
        ("a tree on the grass at night", "a tree on the grass at night with the moon", "moon"),
        ("a yellow star", "a blue background", "background:blue"),
    ]
    rows = []
    for prompt, negative, name in cases:
        shares = []
        for words in ("", negative):
            told = tell(eye, make(pipe, [prompt] * count, How(negative=words)))
            shares.append(float((told[:, SEEN.index(name)] > 0).float().mean()))
        rows.append((f"{prompt}; negative: {negative}", shares[0], shares[1]))
    return rows


def repaints(
    pipe: StableDiffusionPipeline, eye: Eye, asked: Sequence[Asked], seed: int = 5
) -> list[tuple[float, float, float]]:
    """Gives, for img2img to another caption: strength, difference to the start, score of the new caption."""
    rng = random.Random(f"{seed}:repaints")
    starts = [draw(pick_single(rng)) for _ in asked]
    other = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    set_sampler(other, How())
    images = [Image.fromarray(start) for start in starts]
    rows = []
    for strength in (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0):
        generators = [torch.Generator().manual_seed(seed + i) for i in range(len(asked))]
        made = other([q.text for q in asked], image=images, strength=strength, num_inference_steps=STEPS,
                     guidance_scale=GUIDANCE, generator=generators, output_type="np").images  # fmt: skip
        pixels = (made * 255).round().astype(np.uint8)
        rows.append((strength, difference(pixels, np.stack(starts)), mean_score(eye, pixels, asked)))
    return rows


def seeds_differ(pipe: StableDiffusionPipeline) -> tuple[float, float]:
    """Gives the mean difference of pixels between eight seeds of one caption, and between two runs of one seed."""
    made = make(pipe, ["a yellow star"] * 8, How())
    apart = [difference(made[i], made[j]) for i in range(8) for j in range(i)]
    return sum(apart) / len(apart), difference(made[0], make(pipe, ["a yellow star"], How())[0])


def speeds(folder: Path) -> dict[str, float]:
    """Gives seconds to load, for one picture alone and for one of a batch of eight: the best of several tries."""
    start = time.perf_counter()
    pipe = load_pipeline(folder)
    loaded = time.perf_counter() - start

    def seconds(count: int, times: int) -> float:
        make(pipe, ["a red circle"] * count, How())
        took = []
        for _ in range(times):
            begun = time.perf_counter()
            make(pipe, ["a red circle"] * count, How())
            took.append(time.perf_counter() - begun)
        return min(took) / count

    return {"load": loaded, "one": seconds(1, 10), "one of eight": seconds(8, 6)}
