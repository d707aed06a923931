"""The scorer of the toy world: it reads prompts, and ranks a caption that fits above one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

# all of this needs torch, and without it the file is skipped
from PIL import Image, ImageDraw, ImageFilter

from stablenew.backends.tiny_scorer import FOLDER, TinyWorldScorer, asked_for


@pytest.fixture(scope="module")
def scorer() -> TinyWorldScorer:
    return TinyWorldScorer()


def drawn(colour: tuple[int, int, int], shape: str, background: tuple[int, int, int]) -> Image.Image:
    """Gives a 64 x 64 picture of one object, drawn here and not by the training code."""
    big = Image.new("RGB", (256, 256), background)
    pen = ImageDraw.Draw(big)
    if shape == "circle":
        pen.ellipse((64, 64, 192, 192), fill=colour)
    elif shape == "square":
        pen.rectangle((70, 70, 186, 186), fill=colour)
    else:
        pen.polygon([(128, 60), (196, 186), (60, 186)], fill=colour)
    return big.reduce(4)


RED, BLUE, GREEN, WHITE = (222, 40, 44), (38, 84, 220), (44, 165, 70), (246, 246, 246)
PICTURES = {
    "a red circle on a white background": drawn(RED, "circle", WHITE),
    "a blue square on a white background": drawn(BLUE, "square", WHITE),
    "a green triangle on a white background": drawn(GREEN, "triangle", WHITE),
}


@pytest.mark.parametrize("caption", PICTURES)
def test_the_right_caption_wins(scorer: TinyWorldScorer, caption: str) -> None:
    """A picture scores higher with its own caption than with any other, and by far."""
    scores = {other: scorer.score(PICTURES[caption], other) for other in PICTURES}
    assert max(scores, key=scores.__getitem__) == caption
    assert scores[caption] > 0.7
    assert all(score < scores[caption] - 0.3 for other, score in scores.items() if other != caption)


def test_half_right_lies_between(scorer: TinyWorldScorer) -> None:
    """The right colour with a wrong shape scores between all right and all wrong."""
    picture = PICTURES["a red circle on a white background"]
    right, half, wrong = (
        scorer.score(picture, caption) for caption in ("a red circle", "a red square", "a blue triangle")
    )
    assert right > half > wrong


def test_two_objects_are_told_apart(scorer: TinyWorldScorer) -> None:
    """Two objects score high with their own caption, in either order, and lower when colours are swapped."""
    both = Image.new("RGB", (64, 64), WHITE)
    pen = ImageDraw.Draw(both)
    pen.ellipse((4, 20, 28, 44), fill=RED)
    pen.rectangle((37, 21, 59, 43), fill=BLUE)
    right = scorer.score(both, "a red circle and a blue square on a white background")
    assert right > 0.6
    assert scorer.score(both, "a blue square right of a red circle") > 0.6
    for wrong in ("a blue circle and a red square", "a red circle and a blue star", "a green heart and a pink ring"):
        assert scorer.score(both, f"{wrong} on a white background") < right - 0.2


@pytest.mark.parametrize("caption", PICTURES)
def test_a_ruined_picture_scores_lower(scorer: TinyWorldScorer, caption: str) -> None:
    """Blur and burnt contrast cost points although colour and shape can still be told."""
    picture = PICTURES[caption]
    whole = scorer.score(picture, caption)
    assert scorer.score(picture.filter(ImageFilter.GaussianBlur(5)), caption) < whole - 0.15
    assert scorer.score(Image.effect_noise((64, 64), 90).convert("RGB"), caption) < 0.3


def test_scores_stay_in_range_and_repeat(scorer: TinyWorldScorer) -> None:
    """Any picture of any size and mode, with any prompt, gives the same number in 0..1 twice."""
    for image in (
        Image.new("L", (9, 200), 70),
        Image.new("RGBA", (512, 512), (1, 2, 3, 0)),
        PICTURES["a red circle on a white background"],
    ):
        for prompt in ("", "masterpiece, 8k", "a red circle and a blue square"):
            score = scorer.score(image, prompt)
            assert 0 <= score <= 1
            assert scorer.score(image, prompt) == score


def test_an_unknown_prompt_says_nothing(scorer: TinyWorldScorer) -> None:
    """A prompt that names nothing of the toy world gets no more than one half."""
    assert scorer.score(PICTURES["a red circle on a white background"], "portrait of a knight, oil on canvas") <= 0.5


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("a red circle", {"colour:red", "shape:circle", "pair:red circle", "count:1"}),
        ("(small:1.2) grey hearts", {"colour:gray", "shape:heart", "pair:gray heart", "count:1", "size:small"}),
        ("two cyan crosses on pink", {"colour:cyan", "shape:cross", "pair:cyan cross", "count:2", "background:pink"}),
        ("the moon over the sea at night", {"moon", "ground:sea", "sky:night", "landscape"}),
        ("a blue boat on the sea", {"boat", "paint:blue", "ground:sea", "landscape"}),
        ("portrait of a knight", set()),
    ],
)
def test_prompts_are_read(scorer: TinyWorldScorer, prompt: str, asked: set[str]) -> None:
    """A prompt's colours, shapes, counts, places and landscapes are what is looked for."""
    assert asked_for(prompt, scorer.attributes) == asked


def test_what_it_ships_is_small() -> None:
    """The scorer's weights and word list stay under one megabyte."""
    assert sum(file.stat().st_size for file in Path(FOLDER).iterdir()) < 1_000_000
