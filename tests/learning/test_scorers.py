"""Scorers as plug-ins, and what they said as lines of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from PIL import Image
from tests.learning.archive import make_record, write_lines

from stablenew.errors import NotFound, ScorerUnavailable
from stablenew.learning.learning_feedback import Rating, new_rating
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_fold import fold
from stablenew.learning.score_lines import ScoreLine, newest_scores, read_scores, score_pictures
from stablenew.learning.scorer_rating import judge_scorer, person_scores, stand_in_ratings
from stablenew.learning.scorers import OpenScorer, installed_scorers, open_scorer, scorer_statuses
from stablenew.workspace import Workspace

HERE = "tests.learning.test_scorers"


class Brightness:
    """The mean of a picture, 0 to 255; refuses what the prompt calls cursed."""

    name = "brightness"
    needs = ("PIL",)
    version = "7"

    def score(self, image: Image.Image, prompt: str) -> float:
        if "cursed" in prompt:
            raise ArithmeticError("cursed")
        if "nothing" in prompt:
            return float("nan")
        return float(image.convert("L").resize((1, 1)).tobytes()[0])


class Greedy(Brightness):
    needs = ("a_module_nobody_has", "json")


class Odd:
    needs = "torch"


class Silent:
    pass


def points(*names: str) -> dict[str, EntryPoint]:
    return {name: EntryPoint(name, f"{HERE}:{name}", "stablenew.scorers") for name in names}


def test_the_embedded_scorer_is_installed_by_entry_point() -> None:
    """It is found without being imported."""
    assert installed_scorers()["tiny-world"].value == "stablenew.backends.tiny_scorer:TinyWorldScorer"


def test_a_scorer_is_opened_by_name() -> None:
    """With its own version; an unknown one is refused with the nearest."""
    opened = open_scorer("Brightness", points("Brightness"))
    assert (opened.name, opened.version) == ("Brightness", "7")
    assert opened.score(Image.new("RGB", (2, 2), "white"), "snow") == 255
    with pytest.raises(NotFound, match="did you mean Brightness"):
        open_scorer("brihtness", points("Brightness"))


def test_broken_plugins_say_what_is_wrong_and_break_no_other() -> None:
    """A missing package names what to install; a broken import, odd needs and a missing method are said as well."""
    broken = EntryPoint("gone", "a_module_nobody_has.deep:Scorer", "stablenew.scorers")
    absent = EntryPoint("absent", f"{HERE}:Nobody", "stablenew.scorers")
    given = points("Brightness", "Greedy", "Odd", "Silent") | {"gone": broken, "absent": absent}
    problems = {status.name: status.problem for status in scorer_statuses(given)}
    assert problems.pop("Brightness") == ""
    assert "needs a_module_nobody_has, which is not installed: pip install a_module_nobody_has" in problems["gone"]
    assert "needs a_module_nobody_has, which" in problems["Greedy"]
    assert "not names of modules" in problems["Odd"]
    assert "no score(image, prompt)" in problems["Silent"]
    assert "AttributeError" in problems["absent"]
    with pytest.raises(ScorerUnavailable, match="pip install"):
        open_scorer("Greedy", given)


@pytest.fixture
def pictures(workspace: Workspace) -> list[LearningRecord]:
    """Four records with pictures of rising brightness; the third is cursed, the fourth has no file."""
    records = []
    for number, prompt in enumerate(("a fox", "a fox", "a cursed fox", "a fox")):
        path = workspace.root / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < 3:
            Image.new("RGB", (4, 4), (number * 60, number * 60, number * 60)).save(path)
        image = {"path": path.name, "sha256": f"{number}" * 64, "width": 4, "height": 4, "stage": "txt2img"}
        record = make_record(f"{number}abcdef", prompt=prompt, images=[image])
        write_lines(workspace.records / "r.jsonl", record)
        records.append(record)
    return records


def score_all(workspace: Workspace, scorer: OpenScorer, records: Iterable[LearningRecord]) -> list[str]:
    return [each.problem for each in score_pictures(scorer, records, workspace.scores, workspace.root)]


def test_scores_are_appended_once_per_picture_and_version(workspace: Workspace, pictures: list[LearningRecord]) -> None:
    """What fails costs no other; asked again only that is tried; a new version scores anew and nothing is rewritten."""
    scorer = open_scorer("Brightness", points("Brightness"))
    problems = score_all(workspace, scorer, pictures)
    assert problems[:2] == ["", ""]
    assert "cursed" in problems[2]
    assert "No such file" in problems[3]
    path = workspace.scores / "Brightness.jsonl"
    before = path.read_bytes()
    line = json.loads(before.splitlines()[0])
    assert line["record_id"] == "0abcdef"
    assert (line["image_sha256"], line["scorer"], line["version"], line["score"]) == ("0" * 64, "Brightness", "7", 0.0)
    assert len(score_all(workspace, scorer, pictures)) == 2
    assert path.read_bytes() == before
    newer = OpenScorer(name="Brightness", version="8", plugin=scorer.plugin)
    assert len(score_all(workspace, newer, pictures)) == 4
    assert path.read_bytes().startswith(before)
    assert {line.version for line in newest_scores(workspace.scores, "Brightness").values()} == {"8"}


def test_what_is_no_finite_number_is_no_score(workspace: Workspace, pictures: list[LearningRecord]) -> None:
    """NaN is a failure of that picture, and no line."""
    scorer = open_scorer("Brightness", points("Brightness"))
    with pytest.raises(ScorerUnavailable, match="nan"):
        scorer.score(Image.new("RGB", (2, 2)), "nothing at all")


def test_lines_that_are_no_scores_are_passed_over(workspace: Workspace, pictures: list[LearningRecord]) -> None:
    """With the file, the line and the reason."""
    score_all(workspace, open_scorer("Brightness", points("Brightness")), pictures)
    with (workspace.scores / "Brightness.jsonl").open("ab") as file:
        file.write(b'{"score": "high"}\n')
    read = list(read_scores(workspace.scores, "Brightness"))
    assert [isinstance(each, ScoreLine) for each in read] == [True, True, False]
    assert list(read_scores(workspace.scores / "nowhere")) == []


def line(record_id: str, score: float) -> ScoreLine:
    return ScoreLine(
        record_id=record_id,
        image_sha256="",
        scorer="s",
        version="1",
        score=score,
        timestamp="2026-11-22T10:00:00Z",
    )


def row_of(count: int, seed: int = 1) -> list[LearningRecord]:
    return [make_record(f"r{n}", prompt="a fox", seed=seed) for n in range(count)]


def test_where_nobody_rated_a_scorer_stands_in_with_weak_stars() -> None:
    """Fifths of its scores; said once; a person's word goes before it, before or after."""
    scores, records = {f"r{n}": line(f"r{n}", n) for n in range(10)}, row_of(10)
    said = stand_in_ratings("s", records, scores, [])
    assert [rating.score for rating in said] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert {(rating.who, rating.surface, rating.weak) for rating in said} == {("scorer:s", "scorer", True)}
    assert stand_in_ratings("s", records, scores, said) == []
    moved = scores | {"r9": line("r9", -1)}
    assert "r9" in {rating.record_id for rating in stand_in_ratings("s", records, moved, said)}
    assert len(stand_in_ratings("s", records[:3], scores, [])) == 3
    mine = new_rating("r0", score=5)
    for ratings in ([said[0], mine], [mine, said[0]]):
        feedback = fold(ratings)
        assert feedback is not None
        assert feedback.score == 5
    assert person_scores([*said, mine]) == {"r0": 5}


def test_equal_scores_get_equal_stars() -> None:
    """All the same: three stars each."""
    scores = {f"r{n}": line(f"r{n}", 0.5) for n in range(4)}
    assert {rating.score for rating in stand_in_ratings("s", row_of(4), scores, [])} == {3}


def test_a_prompt_that_scores_well_makes_no_setting_look_good() -> None:
    """Two rows, one of which scores higher throughout: the same places in them get the same stars."""
    high = [make_record(f"h{n}", prompt="a boat", seed=1) for n in range(5)]
    scores = {f"r{n}": line(f"r{n}", n) for n in range(5)} | {f"h{n}": line(f"h{n}", 100 + n) for n in range(5)}
    said = {rating.record_id: rating.score for rating in stand_in_ratings("s", [*row_of(5), *high], scores, [])}
    assert [said[f"r{n}"] for n in range(5)] == [said[f"h{n}"] for n in range(5)] == [1, 2, 3, 4, 5]


def test_a_scorer_is_judged_by_what_people_said_themselves(pictures: list[LearningRecord]) -> None:
    """Weak lines and lines taken back do not count; several people count by their mean."""
    first = new_rating("0abcdef", score=2, who="ann")
    ratings: list[Rating] = [
        first,
        new_rating("0abcdef", score=4, who="bob"),
        new_rating("1abcdef", score=1, who="scorer:s", weak=True),
        new_rating("2abcdef", score=5, who="ann"),
    ]
    stars = person_scores(ratings)
    assert stars == {"0abcdef": 3, "2abcdef": 5}
    taken_back = new_rating("0abcdef", who="ann", undoes=first.rating_id)
    assert person_scores([*ratings, taken_back]) == {"0abcdef": 4, "2abcdef": 5}
    scores = {f"{n}abcdef": line(f"{n}abcdef", n) for n in range(4)}
    judged = judge_scorer(pictures, scores, stars)
    assert (judged.pairs, judged.calibration) == (2, None)


def test_a_hostile_name_leaves_the_folder_alone(tmp_path: Path, workspace: Workspace) -> None:
    """A scorer cannot write elsewhere by what it is called."""
    scorer = OpenScorer(name="../../evil", version="1", plugin=Brightness())
    with pytest.raises(Exception, match="not allowed in a name"):
        score_all(workspace, scorer, [])
    assert not (tmp_path / "evil.jsonl").exists()
