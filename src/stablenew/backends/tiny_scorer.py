"""How well a picture of the toy world shows its caption: a measuring stick, and no judge of real pictures.

It knows twelve colours, nine shapes and a few landscapes, drawn flat and small, and nothing else. It is there so that
experiments can be shown and tested without a person; what it says of any other picture means nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from PIL import Image

FOLDER = Path(__file__).parent.parent / "models" / "tiny_scorer"
CLEAN = "clean"
UNKNOWING = 0.5  # for a prompt that names nothing of this world
LEAST = 1e-3  # an attribute that is certainly missing still leaves this much

_SIZES = {"small": "small", "little": "small", "medium": "medium", "large": "large", "big": "large"}
_PLACES = {
    "in the middle": "center",
    "in the center": "center",
    "on the left": "left",
    "on the right": "right",
    "at the top": "top",
    "at the bottom": "bottom",
}
_COUNTS = {"two": "2", "three": "3", "four": "4"}
_LAYOUTS = {
    "stacked": r"\b(above|over|below|under)\b",
    "beside": r"\b(and|left of|right of|next to)\b",
}
_SKIES = {"day": r"\bby day\b", "sunset": r"\bat sunset\b", "night": r"\bat night\b"}


class Eye(nn.Module):
    """A small convolutional network: pictures in, a number per attribute out, the last how clean the picture is.

    What an attribute looks like is the same everywhere, so each is looked for at every place of an 8 x 8 map and the
    best place counts; a second part sees the whole map and adds what depends on where things are.
    """

    def __init__(self, attributes: int, width: int) -> None:
        super().__init__()

        def block(into: int, out: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]

        self.look = nn.Sequential(
            nn.PixelUnshuffle(2),
            *block(12, 2 * width, 1),
            *block(2 * width, 4 * width, 2),
            *block(4 * width, 4 * width, 1),
            *block(4 * width, 6 * width, 2),
            *block(6 * width, 6 * width, 1),
        )
        self.find = nn.Conv2d(6 * width, attributes + 1, 1)
        self.tell = nn.Sequential(
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * width * 16, 128), nn.ReLU(), nn.Linear(128, attributes + 1)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Takes float32 [B, 3, 64, 64] in [-1, 1]; gives logits [B, attributes + 1]."""
        seen = self.look(pictures)
        told: Tensor = self.find(seen).amax((2, 3)) + self.tell(seen)
        return told


def asked_for(prompt: str, attributes: Mapping[str, int]) -> frozenset[str]:
    """Gives the attributes that a prompt names, such as `colour:red` and `pair:red circle`; order is ignored."""
    text = " " + re.sub(r"[^a-z ]+", " ", prompt.lower().replace("grey", "gray")) + " "
    text = re.sub(r" +", " ", text)
    colours = "|".join(name.removeprefix("colour:") for name in attributes if name.startswith("colour:"))
    shapes = "|".join(name.removeprefix("shape:") for name in attributes if name.startswith("shape:"))
    asked = _backgrounds(text, colours, shapes) | _objects(text, colours, shapes) | _landscape(text, colours)
    return frozenset(name for name in asked if name in attributes)


def _backgrounds(text: str, colours: str, shapes: str) -> set[str]:
    named = re.search(rf"\b({colours}) background\b", text) or re.search(rf"\bon ({colours})\b(?! (?:{shapes}))", text)
    return {f"background:{named[1]}"} if named else set()


def _objects(text: str, colours: str, shapes: str) -> set[str]:
    pattern = rf"(?:\b(two|three|four) )?(?:\b(small|little|medium|large|big) )?\b({colours}) ({shapes})(?:s|es)?\b"
    found = re.findall(pattern, text)
    asked: set[str] = set()
    for count, size, colour, shape in found:
        asked |= {f"colour:{colour}", f"shape:{shape}", f"pair:{colour} {shape}"}
        if count:
            asked.add(f"count:{_COUNTS[count]}")
        if size and len(found) == 1:
            asked.add(f"size:{_SIZES[size]}")
    if len(found) == 2:
        asked.add("count:2")
        asked |= {f"layout:{layout}" for layout, words in _LAYOUTS.items() if re.search(words, text)}
        if {"layout:stacked", "layout:beside"} <= asked:
            asked.discard("layout:beside")
    elif len(found) == 1 and not found[0][0]:
        asked.add("count:1")
        asked |= {f"place:{place}" for words, place in _PLACES.items() if f" {words} " in text}
    return asked


def _landscape(text: str, colours: str) -> set[str]:
    asked = {f"ground:{name}" for name in ("sea", "grass", "snow", "desert") if f" the {name} " in text}
    asked |= {f"sky:{name}" for name, words in _SKIES.items() if re.search(words, text)}
    asked |= {name for name in ("house", "boat", "tree", "mountains", "sun", "moon", "clouds") if f" {name} " in text}
    if " stars " in text and not re.search(rf"\b({colours}) stars\b", text):
        asked.add("stars")
    asked |= {f"paint:{colour}" for colour, _ in re.findall(rf"\b({colours}) (house|boat)\b", text)}
    return asked | {"landscape"} if asked else asked


class TinyWorldScorer:
    """Tells how well a picture shows its prompt, for pictures of the tiny model alone."""

    name = "tiny-world"
    needs = ("torch", "safetensors")

    def __init__(self, folder: Path = FOLDER) -> None:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        self.attributes = {name: at for at, name in enumerate(config["attributes"])}
        self._eye = _load(folder, len(self.attributes), config["width"])

    def score(self, image: Image.Image, prompt: str) -> float:
        """Gives 0 (shows none of it, or is a ruin) to 1 (shows all of it cleanly); 0.5 at most for an unknown prompt.

        The geometric mean of what the picture probably has of the attributes asked for, times how clean it is.
        """
        asked = asked_for(prompt, self.attributes)
        seen = self.see(image)
        if sum(name.startswith("pair:") for name in asked) > 1:
            seen |= self._see_halves(image, asked)
        if not asked:
            return UNKNOWING * seen[CLEAN]
        logs = [math.log(max(seen[name], LEAST)) for name in asked]
        return math.exp(sum(logs) / len(logs)) * seen[CLEAN]

    def see(self, image: Image.Image) -> dict[str, float]:
        """Gives the probability of every attribute, and `clean`."""
        told = self._tell(_floats(image))[0]
        return {**{name: told[at] for name, at in self.attributes.items()}, CLEAN: told[-1]}

    def _see_halves(self, image: Image.Image, asked: frozenset[str]) -> dict[str, float]:
        """Gives how probable each pair asked for is in the best half of the picture (left, right, top or bottom).

        One object alone is told apart far better than one of two; each half is widened by its own edges to a whole.
        """
        whole = _floats(image)
        halves = [_widened(part) for part in (*whole.chunk(2, 3), *whole.mT.chunk(2, 3))]
        told = self._tell(torch.cat([*halves[:2], *(half.mT for half in halves[2:])]))
        best = {}
        for name in asked:
            if name.startswith("pair:"):
                colour, shape = name.removeprefix("pair:").split(" ")
                at = self.attributes[f"colour:{colour}"], self.attributes[f"shape:{shape}"]
                best[name] = max(min(half[at[0]], half[at[1]]) for half in told)
        return best

    def _tell(self, pictures: Tensor) -> list[list[float]]:
        with torch.inference_mode():
            told: list[list[float]] = self._eye(pictures).sigmoid().tolist()
        return told


def _floats(image: Image.Image) -> Tensor:
    """Gives a picture as float32 [1, 3, 64, 64] in [-1, 1]."""
    pixels = image.convert("RGB").resize((64, 64))
    flat = torch.frombuffer(bytearray(pixels.tobytes()), dtype=torch.uint8).reshape(1, 64, 64, 3)
    return flat.permute(0, 3, 1, 2).float() / 127.5 - 1


def _widened(half: Tensor) -> Tensor:
    return nn.functional.pad(half, (16, 16, 0, 0), mode="replicate")


def _load(folder: Path, attributes: int, width: int) -> Eye:
    from safetensors.torch import load_file

    eye = Eye(attributes, width)
    weights = load_file(folder / "model.safetensors")
    eye.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    )
    return eye.eval()
