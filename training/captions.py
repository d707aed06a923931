"""Says what a picture shows, in one of several ways, and what exactly was said."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.world import Landscape, Objects, Picture, Thing

WORDS_OF_SIZE = {"small": ("small", "small", "little"), "large": ("large", "big"), "medium": ("medium",)}
WORDS_OF_PLACE = {
    "center": ("in the middle", "in the center"),
    "left": ("on the left",),
    "right": ("on the right",),
    "top": ("at the top",),
    "bottom": ("at the bottom",),
}
COUNTS = {2: "two", 3: "three", 4: "four"}
OPENINGS = ("", "", "", "", "a picture of ", "a drawing of ", "an image of ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """A text and the attributes it states, such as `colour:red` (see labels.py)."""

    text: str
    said: frozenset[str]


def describe(picture: Picture, rng: random.Random) -> Caption:
    """Gives one caption of the picture; what it leaves out, and how it says the rest, is drawn by lot."""
    if isinstance(picture, Landscape):
        return _describe_landscape(picture, rng)
    if picture.layout == "single":
        return _describe_single(picture, rng)
    if picture.layout == "group":
        return _describe_group(picture, rng)
    return _describe_pair(picture, rng)


def _article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _colour(name: str, rng: random.Random) -> str:
    return "grey" if name == "gray" and rng.random() < 0.3 else name


def _background(picture: Objects, rng: random.Random, said: set[str], share: float = 0.6) -> str:
    if rng.random() >= share:
        return ""
    said.add(f"background:{picture.background}")
    colour = _colour(picture.background, rng)
    return rng.choice((f" on {_article(colour)} background", f" on {_article(colour)} background",
                       f", {colour} background", f" on {colour}"))  # fmt: skip


def _look(thing: Thing) -> set[str]:
    return {f"colour:{thing.colour}", f"shape:{thing.shape}", f"pair:{thing.colour} {thing.shape}"}


def _describe_single(picture: Objects, rng: random.Random) -> Caption:
    thing = picture.things[0]
    said = _look(thing) | {"count:1", f"first:{thing.colour}", f"first:{thing.shape}"}
    words = f"{_colour(thing.colour, rng)} {thing.shape}"
    if rng.random() < (0.85 if thing.size != "medium" else 0.2):
        words = f"{rng.choice(WORDS_OF_SIZE[thing.size])} {words}"
        said.add(f"size:{thing.size}")
    place = ""
    if rng.random() < (0.9 if picture.place != "center" else 0.15):
        place = f" {rng.choice(WORDS_OF_PLACE[picture.place])}"
        said.add(f"place:{picture.place}")
    opening = rng.choice(OPENINGS)
    noun = words if not opening and rng.random() < 0.2 else _article(words)
    return Caption(text=f"{opening}{noun}{place}{_background(picture, rng, said)}", said=frozenset(said))


def _describe_pair(picture: Objects, rng: random.Random) -> Caption:
    first, second = picture.things
    said = _look(first) | _look(second) | {"count:2"}
    one, other = (_article(f"{_colour(t.colour, rng)} {t.shape}") for t in (first, second))
    if picture.layout == "beside":
        # Plain "and" always means the first on the left: one meaning for one text is learnt sooner.
        joint, swapped = rng.choice(((" and ", False), (" and ", False), (" left of ", False), (" next to ", False),
                                     (" right of ", True)))  # fmt: skip
    else:
        joint, swapped = rng.choice(((" above ", False), (" over ", False), (" below ", True), (" under ", True)))
    said |= {f"first:{first.colour}", f"first:{first.shape}", f"second:{second.colour}", f"second:{second.shape}"}
    said.add(f"layout:{picture.layout}")
    if swapped:
        one, other = other, one
    text = f"{rng.choice(OPENINGS)}{one}{joint}{other}{_background(picture, rng, said, 0.5)}"
    return Caption(text=text, said=frozenset(said))


def _describe_group(picture: Objects, rng: random.Random) -> Caption:
    thing = picture.things[0]
    plural = {"cross": "crosses"}.get(thing.shape, f"{thing.shape}s")
    said = _look(thing) | {f"count:{len(picture.things)}", f"first:{thing.colour}", f"first:{thing.shape}"}
    opening = rng.choice(OPENINGS)
    words = f"{opening}{COUNTS[len(picture.things)]} {_colour(thing.colour, rng)} {plural}"
    return Caption(text=f"{words}{_background(picture, rng, said)}", said=frozenset(said))


def _describe_landscape(view: Landscape, rng: random.Random) -> Caption:
    said = {"landscape", f"ground:{view.ground}"}
    light = "moon" if view.sky == "night" else "sun"
    extras = [name for name, there in (("clouds", view.clouds), ("stars", view.stars), ("tree", view.side_tree))
              if there and rng.random() < 0.7]  # fmt: skip
    if view.main == "none":
        text = f"the {light} over {_ground(view.ground)}"
        said.add(light)
    else:
        text = _main(view, rng, said)
        if view.light and rng.random() < 0.7:
            extras.append(light)
    said.update(extras)
    if view.main != "none" or view.sky != "day" or rng.random() < 0.6:
        said.add(f"sky:{view.sky}")
        text += {"day": " by day", "sunset": " at sunset", "night": " at night"}[view.sky]
    rng.shuffle(extras)
    named = {"clouds": "clouds", "stars": "stars", "tree": "a tree", "sun": "the sun", "moon": "the moon"}
    if extras:
        text += rng.choice((", ", " with ")) + " and ".join(named[name] for name in extras)
    return Caption(text=text, said=frozenset(said))


def _ground(name: str) -> str:
    return {"sea": "the sea", "grass": "the grass", "snow": "the snow", "desert": "the desert"}[name]


def _main(view: Landscape, rng: random.Random, said: set[str]) -> str:
    said.add(view.main)
    if view.main == "mountains":
        return rng.choice(("mountains behind ", "mountains over ")) + _ground(view.ground)
    if view.main == "tree":
        return f"a tree on {_ground(view.ground)}"
    if rng.random() < 0.85:
        said.add(f"paint:{view.paint}")
        return f"{_article(f'{view.paint} {view.main}')} on {_ground(view.ground)}"
    return f"a {view.main} on {_ground(view.ground)}"
