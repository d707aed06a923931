"""The judge: a small network that tells what a picture shows, trained on drawn pictures only, never on generated ones.

It makes the figures of the card, and the package brings it along as a scorer.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from stablenew.backends.tiny_scorer import Eye
from training import autoencoder
from training.drawing import draw
from training.labels import GROUPS, SEEN, positions, seen_in, seen_vector
from training.optim import Optimizer
from training.progress import Clock, load, rate, save, say
from training.settings import Settings
from training.world import Picture, pick_group, pick_landscape, pick_pair, pick_single

COUNT = 40_000
TESTED = 4_000
BATCH = 64
RESTORED = 0.35  # share of pictures that went through the autoencoder: its softness is no fault


def pick_any(rng: random.Random) -> Picture:
    """Gives a picture of all combinations alike, those kept out of the model's training too."""
    lot = rng.random()
    unseen = rng.random() < 1 / 12
    if lot < 0.45:
        return pick_single(rng, unseen=unseen)
    if lot < 0.80:
        return pick_pair(rng, unseen=unseen)
    return pick_group(rng) if lot < 0.86 else pick_landscape(rng)


def examples(seed: int, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Gives pictures uint8 [N, 64, 64, 3] and what they have, uint8 [N, len(SEEN)]."""
    rng = random.Random(f"{seed}:judge")
    chosen = [pick_any(rng) for _ in range(count)]
    return np.stack([draw(p) for p in chosen]), np.stack([seen_vector(seen_in(p)) for p in chosen])


def train(settings: Settings, model: AutoencoderTiny, name: str, width: int) -> Eye:
    """Trains a judge, or gives the one in `out/NAME.pt`."""
    path = settings.out / f"{name}.pt"
    eye = Eye(len(SEEN), width)
    saved = load(path)
    if saved is not None:
        eye.load_state_dict(saved["model"])
        return eye.eval()
    count = COUNT if settings.steps is None else 64
    seed = settings.seed * 1000 + width
    pixels, seen = examples(seed, count)
    restored = _restored(model, pixels[: count // 4])
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    eye = eye.to(settings.device).train()
    optimizer = Optimizer([(eye, 1.0)], muon=3e-3, adamw=2e-3)
    clock = Clock(name=name, limit_s=None, limit_steps=settings.steps or settings.judge_steps)
    while clock.share() < 1:
        optimizer.set_rate(rate(clock.share(), fall_from=0.3))
        at = rng.integers(0, count, BATCH)
        through = (rng.random(BATCH) < RESTORED) & (at < len(restored))
        batch = np.where(through[:, None, None, None], restored[at % len(restored)], pixels[at])
        pictures, clean = spoilt(autoencoder.as_floats(batch, settings.device))
        told = eye(pictures)
        wanted = torch.from_numpy(seen[at]).float().to(settings.device)
        # A ruined picture teaches less about what it shows.
        told_loss = functional.binary_cross_entropy_with_logits(told[:, :-1], wanted, reduction="none").sum(1)
        clean_loss = functional.binary_cross_entropy_with_logits(told[:, -1], clean)
        loss = (told_loss * (0.2 + 0.8 * clean)).mean() / 10 + clean_loss
        loss.backward()
        optimizer.step()
        clock.tick(told=float(told_loss.detach().mean()), clean=float(clean_loss.detach()))
    eye = eye.to("cpu").eval()
    save(path, {"model": eye.state_dict()})
    say(f"{name}: {clock.steps * BATCH:,} pictures in {clock.spent_s:.0f} s")
    return eye


def _restored(model: AutoencoderTiny, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    made = []
    device = next(model.parameters()).device.type
    with torch.no_grad():
        for start in range(0, len(pixels), 32):
            batch = autoencoder.as_floats(pixels[start : start + 32], device)
            made.append(as_pixels(model.decoder(model.encoder(batch))))
    return np.concatenate(made)


def as_pixels(made: Tensor) -> NDArray[np.uint8]:
    """Gives float [B, 3, 64, 64] in [-1, 1] as uint8 [B, 64, 64, 3]."""
    floats = made.clamp(-1, 1).add(1).mul(127.5).round()
    return np.ascontiguousarray(floats.permute(0, 2, 3, 1).byte().cpu().numpy())


def spoilt(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Spoils half of the pictures in ways a bad sampler does; gives them and how clean each is, 1 to 0.

    The first half of the batch is spoilt, a fifth of it in each way: the batch's order says nothing.
    """
    count = len(pictures)
    spoil = torch.rand(count, device=pictures.device)
    spoil[(count // 10) * 5 :] = 0
    made = pictures.clone()
    for way in range(5):
        rows = slice(way * (count // 10), (way + 1) * (count // 10))
        made[rows] = _spoil(way, pictures[rows], spoil[rows, None, None, None])
    # A little noise on all, so that the last bits of a drawn picture are no clue.
    return (made + 0.015 * torch.randn_like(made)).clamp(-1, 1), 1 - spoil


def _spoil(way: int, pictures: Tensor, much: Tensor) -> Tensor:
    small = functional.interpolate(pictures, size=8, mode="area")
    if way == 0:  # blurred
        return torch.lerp(pictures, functional.interpolate(small, size=64, mode="bilinear"), much)
    if way == 1:  # noisy
        return pictures + 0.8 * much * torch.randn_like(pictures)
    if way == 2:  # blotched
        return pictures + 0.9 * much * functional.interpolate(torch.randn_like(small), size=64, mode="bicubic")
    if way == 3:  # burnt
        mean = pictures.mean((2, 3), keepdim=True)
        return (pictures - mean) * (1 + 2.5 * much) + mean
    return torch.lerp(pictures, pictures.roll(1, 0), 0.5 * much)  # two pictures in one


@torch.no_grad()
def tell(eye: Eye, pixels: NDArray[np.uint8]) -> Tensor:
    """Gives the logits for pictures uint8 [N, 64, 64, 3]: float [N, len(SEEN) + 1]."""
    parts = [eye(autoencoder.as_floats(pixels[at : at + 128], "cpu")) for at in range(0, len(pixels), 128)]
    return torch.cat(parts)


def best(logits: Tensor, group: str) -> list[str]:
    """Gives for each picture the group's most likely name."""
    places = positions(group)
    return [GROUPS[group][i] for i in logits[:, places.start : places.stop].argmax(1).tolist()]


def accuracy(eye: Eye, model: AutoencoderTiny | None, seed: int = 99) -> dict[str, float]:
    """Gives the judge's own accuracy on pictures it has never seen; through the autoencoder when one is given."""
    pixels, seen = examples(seed, TESTED)
    pixels = pixels if model is None else _restored(model, pixels)
    told = tell(eye, pixels)
    wanted = torch.from_numpy(seen) > 0
    one = wanted[:, SEEN.index("count:1")]
    two = wanted[:, positions("layout").start : positions("layout").stop].any(1)
    right = {}
    for group in ("colour", "shape", "background"):
        places = positions(group)
        rows = one if group != "background" else ~wanted[:, SEEN.index("landscape")]
        part = slice(places.start, places.stop)
        right[group] = float((told[rows, part].argmax(1) == wanted[rows, part].float().argmax(1)).float().mean())
    right["both of two"] = _both(eye, pixels[two.numpy()], wanted[two])
    pairs = slice(positions("pair").start, positions("pair").stop)
    right["both of two, at one look"] = float(((told[two, pairs] > 0) == wanted[two, pairs]).all(1).float().mean())
    flags = slice(SEEN.index("landscape"), len(SEEN))
    views = wanted[:, SEEN.index("landscape")]
    right["landscape details"] = float(((told[views, flags] > 0) == wanted[views, flags]).float().mean())
    return right


def _both(eye: Eye, pixels: NDArray[np.uint8], wanted: Tensor) -> float:
    """Gives in how many pictures of two objects both are told rightly."""
    places = positions("pair").start
    stacked = SEEN.index("layout:stacked")
    right = []
    for found, names in zip(looks_of_two(eye, pixels, wanted[:, stacked].numpy()), wanted, strict=True):
        pairs = [name for i, name in enumerate(GROUPS["pair"]) if names[places + i]]
        right.append(sorted(" ".join(look) for look in found) == sorted(pairs))
    return sum(right) / len(right)


def looks_of_two(eye: Eye, pixels: NDArray[np.uint8], stacked: NDArray[np.bool_]) -> list[list[tuple[str, str]]]:
    """Gives colour and shape of what is in each half of each picture, [N][2]; the halves are left and right, or
    where `stacked` top and bottom. Each half is widened by its own edges and judged as a picture of one object."""
    halves = []
    for picture, is_stacked in zip(pixels, stacked, strict=True):
        upright = picture.transpose(1, 0, 2) if is_stacked else picture
        for half in (upright[:, :32], upright[:, 32:]):
            whole = np.pad(half, ((0, 0), (16, 16), (0, 0)), mode="edge")
            halves.append(whole.transpose(1, 0, 2) if is_stacked else whole)
    told = tell(eye, np.stack(halves)) if halves else torch.zeros(0, len(SEEN) + 1)
    looks = list(zip(best(told, "colour"), best(told, "shape"), strict=True))
    return [looks[at : at + 2] for at in range(0, len(looks), 2)]


def write_scorer(eye: Eye, width: int, folder: Path) -> int:
    """Writes the judge as the package's scorer, in float16; gives its size in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in eye.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    config = {
        "width": width,
        "attributes": list(SEEN),
        "about": "A measuring stick for the toy world, no judge of pictures.",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    return sum(file.stat().st_size for file in folder.iterdir())


def parameters(eye: nn.Module) -> int:
    """Gives the number of weights."""
    return sum(p.numel() for p in eye.parameters())
