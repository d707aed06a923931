"""Runs every measurement and writes the tables of the card: `out/figures.md`, and the sample sheets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline

from stablenew.backends.tiny_scorer import Eye
from training import judge, measure, phases, sheet
from training.progress import say
from training.settings import Settings

JUDGE_WIDTH = 12
COLUMNS = ("colour", "shape", "both of two", "background", "landscape details", "clean", "score")
QUESTIONS, VIEWS, TABLE = 500, 60, 40


def train_judge(settings: Settings) -> Eye:
    """Trains the judge, or reads it from `out/judge.pt`."""
    return judge.train(settings, phases.kept_autoencoder(settings), "judge", JUDGE_WIDTH)


def write_figures(settings: Settings, folder: Path, *, tables: bool = True, count: int = QUESTIONS) -> str:
    """Measures the model in `folder` and writes and gives the figures; `tables` also tries other settings."""
    pipe = measure.load_pipeline(folder)
    eye = train_judge(settings)
    parts = [
        _accuracy(eye, pipe.vae),
        _quality(pipe, eye, count),
        _odds(pipe, eye),
        _speed(folder),
    ]
    parts += _tables(pipe, eye) if tables else []
    text = "\n\n".join(parts) + "\n"
    (settings.out / "figures.md").write_text(text, "utf-8")
    sheet.write_sheet(pipe, settings.out / "samples.png")
    return text


def _accuracy(eye: Eye, model: AutoencoderTiny) -> str:
    rows = [
        ("drawn pictures", judge.accuracy(eye, None)),
        ("through the autoencoder", judge.accuracy(eye, model)),
    ]
    columns = tuple(rows[0][1])
    return f"### The judge's own accuracy ({judge.TESTED} new pictures)\n\n" + _table("", columns, rows)


def _quality(pipe: StableDiffusionPipeline, eye: Eye, count: int) -> str:
    asked = measure.questions(11, count)
    pixels = measure.make(pipe, [question.text for question in asked], measure.How())
    found = measure.right(eye, pixels, asked)
    scenes = measure.views(12, VIEWS)
    seen = measure.right(eye, measure.make(pipe, [q.text for q in scenes], measure.How()), scenes)
    found["landscape details"] = seen["landscape details"]
    found["score"] = measure.mean_score(eye, pixels, asked)
    say(json.dumps(found))
    lines = [f"| {name} | {value:.3f} |" for name, value in sorted(found.items())]
    head = f"### Right pictures of {count} captions at the recommended settings\n\n| | share |\n|---|---|\n"
    return head + "\n".join(lines)


def _odds(pipe: StableDiffusionPipeline, eye: Eye) -> str:
    apart, same = measure.seeds_differ(pipe)
    text = (
        f"### Seeds\n\nMean difference of pixels between seeds {apart:.1f} of 255, between runs of one seed {same:.2f}."
    )
    text += "\n\n### Negative prompts\n\n| prompt | there without | there with |\n|---|---|---|\n"
    text += "\n".join(
        f"| {name} | {before:.2f} | {after:.2f} |" for name, before, after in measure.negatives(pipe, eye)
    )
    text += "\n\n### img2img\n\n| denoise | difference to the start | score of the new caption |\n|---|---|---|\n"
    asked = [question for question in measure.questions(14, 60) if len(question.pairs) == 1][:30]
    rows = measure.repaints(pipe, eye, asked)
    return text + "\n".join(f"| {strength} | {change:.1f} | {score:.2f} |" for strength, change, score in rows)


def _speed(folder: Path) -> str:
    took = measure.speeds(folder)
    rows = "\n".join(f"| {name} | {seconds:.2f} s |" for name, seconds in took.items())
    gain = took["one"] / took["one of eight"]
    head = f"### Speed ({torch.get_num_threads()} threads, {measure.STEPS} steps with guidance)"
    return f"{head}\n\n| | |\n|---|---|\n{rows}\n| batch gain | {gain:.2f} x |"


def _tables(pipe: StableDiffusionPipeline, eye: Eye) -> list[str]:
    asked = [*measure.questions(13, TABLE), *measure.views(13, TABLE // 3)]
    made = []
    for name, build in (
        ("Steps", measure.steps_table),
        ("Guidance", measure.guidance_table),
        ("Samplers", measure.sampler_table),
    ):
        made.append(f"### {name}\n\n" + _table(name.lower(), COLUMNS, build(pipe, eye, asked)))
        say(made[-1])
    return made


def _table(head: str, columns: Sequence[str], rows: Sequence[tuple[str, dict[str, float]]]) -> str:
    lines = [f"| {head} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, found in rows:
        cells = [f"{found[column]:.3f}" if column in found else "" for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
