"""Advice for a workspace: from records and ratings on the disk to settings."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.learning.archive import make_record, rate
from tests.learning.person import PROMPTS, VALUES, likes_heun_at_five, pictures, stars_for, store
from tests.learning.plans import make_plan

from stablenew.errors import InputError
from stablenew.learning.advice import Question, advise, advise_next, gather
from stablenew.learning.experiments import new_experiment, save_experiment
from stablenew.learning.fading import fade
from stablenew.learning.learning_feedback import RatedPicture, RatingWriter, undo_of
from stablenew.learning.learning_plan import make_learning_plan
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_knobs import knob_settings
from stablenew.learning.score_lines import ScoreLine, ScoreWriter
from stablenew.learning.scorer_evidence import scorer_evidence
from stablenew.workspace import Workspace

GOOD = {"sampler": "Heun", "cfg_scale": 5.0}
BAD = {"sampler": "Euler", "cfg_scale": 11.0}


def loved(workspace: Workspace, **said: Any) -> list[LearningRecord]:
    """36 rated pictures: two samplers and three guidances on six prompts."""
    records = pictures(VALUES, PROMPTS, **said)
    store(workspace, records, stars_for(records, likes_heun_at_five))
    return records


def test_what_is_loved_is_advised(workspace: Workspace) -> None:
    """From the lines on the disk: better settings than the worst, with the pictures that show it."""
    records = loved(workspace)
    advice = advise(workspace, Question(baseline=BAD))
    assert advice.enough
    assert advice.settings["sampler"] == "Heun"
    assert 3 <= advice.settings["cfg_scale"] <= 7
    assert advice.ratings == 36
    assert set(advice.proof) <= {each.run.record_id for each in records}
    sampler = next(each for each in advice.effects if each.name == "sampler")
    assert [each.pairs for each in sampler.values] == [18, 18]


def test_the_order_of_lines_on_the_disk_does_not_matter(workspace: Workspace, tmp_path: Any) -> None:
    """Records and ratings written in another order: the same recommendation, to the last digit."""
    records = pictures(VALUES, PROMPTS)
    ratings = stars_for(records, likes_heun_at_five)
    chance = random.Random(1)
    other = Workspace(root=tmp_path / "other")
    store(workspace, records, ratings)
    store(other, chance.sample(records, 36), chance.sample(ratings, 36))
    assert advise(workspace, Question(baseline=BAD)) == advise(other, Question(baseline=BAD))


def test_rating_and_undoing_leaves_advice_as_it_was(workspace: Workspace) -> None:
    """Stars, a rejection and a preference, all taken back."""
    records = loved(workspace)
    before = advise(workspace, Question(baseline=BAD))
    names = [each.run.record_id for each in records]
    said = [
        rate(names[0], 5, 100),
        rate(names[1], second=101, rejected=True),
        rate(names[2], second=102, better_than=[RatedPicture(record_id=names[3])]),
    ]
    writer = RatingWriter(workspace.ratings)
    writer.append(*said)
    changed = advise(workspace, Question(baseline=BAD))
    assert changed.choices == 1
    assert changed.expected != before.expected
    writer.append(*map(undo_of, said))
    writer.close()
    assert advise(workspace, Question(baseline=BAD)) == before


def test_nothing_rated_or_nothing_varied_says_what_to_do(workspace: Workspace) -> None:
    """Each with the words of the question and the command that helps."""
    with pytest.raises(InputError, match=r"no picture is rated yet: do so with stablenew rate"):
        advise(workspace)
    same = pictures({"sampler": ["Heun"]}, PROMPTS, seeds=4, model="dreamshaper_8")
    store(workspace, same, stars_for(same, lambda settings: 4))
    for asked in ({}, {"model": "dreamshaper_8"}):
        with pytest.raises(InputError, match="all made with the same settings: vary some"):
            advise(workspace, Question(**asked))
        with pytest.raises(InputError, match="all made with the same settings: vary some"):
            advise_next(workspace, Question(**asked))
    with pytest.raises(InputError, match="no picture of model other and pack or class heroes is rated yet"):
        advise(workspace, Question(model="other", pack="heroes"))


def test_one_rating_is_not_enough_and_two_ask_for_more(workspace: Workspace) -> None:
    """One picture differs from nothing; two that differ are evidence, and too little."""
    two = pictures({"sampler": ["Heun", "Euler"]})
    store(workspace, two, stars_for(two[:1], lambda settings: 5))
    with pytest.raises(InputError, match="same settings"):
        advise(workspace)
    writer = RatingWriter(workspace.ratings)
    writer.append(rate(two[1].run.record_id, 1, 5))
    writer.close()
    advice = advise(workspace)
    assert not advice.enough
    assert "2 ratings are too few" in advice.reason
    assert len(advise_next(workspace, images=4)) == 4


def test_pictures_that_failed_are_no_evidence(workspace: Workspace) -> None:
    """A rating of a record without a picture is left out."""
    records = loved(workspace)
    failed = make_record("failed", sampler="DDIM", cfg_scale=5.0, status="failed", error="out of memory")
    store(workspace, [failed], [rate("failed", 5, 200)])
    known = gather(workspace, Question())
    assert len(known.evidence.scored) == len(records)


def test_who_filters(workspace: Workspace) -> None:
    """Two people of opposite taste: each is advised what they love themselves, from their own ratings."""
    records = pictures(VALUES, PROMPTS)
    ann = stars_for(records, likes_heun_at_five, who="ann")
    bob = stars_for(records, lambda each: 6 - likes_heun_at_five(each), 100, who="bob")
    store(workspace, records, [*ann, *bob])
    for who, sampler in (("ann", "Heun"), ("bob", "Euler")):
        advice = advise(workspace, Question(who=who, baseline={"sampler": "DDIM", "cfg_scale": 5.0}))
        effect = next(each for each in advice.effects if each.name == "sampler")
        assert max((each for each in effect.values if each.tested), key=lambda each: each.stars.mean).value == sampler
        assert advice.ratings == 36
    assert advise(workspace).ratings == 72


def test_faded_ratings_give_way_to_newer_ones(workspace: Workspace) -> None:
    """Taste has turned round: once the old half is faded, what is loved now comes out above it."""
    records = pictures({"sampler": ["Euler", "Heun"]}, PROMPTS, seeds=4)
    old = stars_for(records, lambda each: 5 if each["sampler"] == "Euler" else 2)
    newer = pictures({"sampler": ["Euler", "Heun"]}, PROMPTS, seeds=2, name="n")
    now = stars_for(newer, lambda each: 2 if each["sampler"] == "Euler" else 5, 2 * 86_400)
    store(workspace, [*records, *newer], [*old, *now])

    def heun() -> float:
        (effect,) = advise(workspace).effects
        return next(each.stars.mean for each in effect.values if each.value == "Heun")

    before = heun()
    fade(workspace, "2026-11-24", 0.05)
    assert heun() > 0 > before
    faded = [each for each in gather(workspace, Question()).evidence.scored if each.noise > 1]
    assert len(faded) == len(old)


def test_usual_settings_are_those_most_pictures_have(workspace: Workspace) -> None:
    """Where one combination stands out; else the defaults that were tried, setting by setting; what is named wins."""
    records = pictures(VALUES, PROMPTS[:2])
    often = pictures({"sampler": ["Heun"], "cfg_scale": [2.0]}, PROMPTS, seeds=2, name="often")
    store(workspace, records, stars_for(records, likes_heun_at_five))
    even = gather(workspace, Question()).baseline
    assert even["sampler"] in VALUES["sampler"]
    store(workspace, often, stars_for(often, likes_heun_at_five, 100))
    usual = gather(workspace, Question()).baseline
    assert (usual["sampler"], usual["cfg_scale"]) == ("Heun", 2.0)
    named = gather(workspace, Question(baseline={"txt2img.cfg_scale": 9.0})).baseline
    assert (named["sampler"], named["cfg_scale"]) == ("Heun", 9.0)


def test_the_defaults_are_usual_where_nothing_stands_out(workspace: Workspace) -> None:
    """The default guidance of 7 was tried as often as others: it is what advice is compared with."""
    records = pictures({"sampler": ["Heun", "Euler a"], "cfg_scale": [2.0, 7.0, 11.0]}, PROMPTS)
    store(workspace, records, stars_for(records, likes_heun_at_five))
    usual = gather(workspace, Question()).baseline
    assert (usual["sampler"], usual["cfg_scale"], usual["steps"]) == ("Euler a", 7.0, 20)


def test_advice_for_a_model_advises_no_other(workspace: Workspace) -> None:
    """Pictures of other models help, and whatever they show, the model asked about stays."""
    mine = pictures(VALUES, PROMPTS[:3], model="dreamshaper_8.safetensors")
    other = pictures(VALUES, PROMPTS, model="loved_v2", name="o")
    store(workspace, [*mine, *other], [*stars_for(mine, likes_heun_at_five), *stars_for(other, lambda _: 5, 100)])
    advice = advise(workspace, Question(model="dreamshaper_8", baseline=BAD))
    assert advice.settings["model"] == "dreamshaper_8.safetensors"
    assert advice.ratings == 54
    batch = advise_next(workspace, Question(model="dreamshaper_8"))
    assert {row["model"] for row in batch} == {"dreamshaper_8.safetensors"}


def test_advice_for_a_pack_borrows_from_the_others(workspace: Workspace) -> None:
    """Its own ratings are the context, those of other packs stand beside it, under their names."""
    mine = pictures(VALUES, PROMPTS[:1], pack_name="heroes")
    other = pictures(VALUES, PROMPTS, pack_name="boats", name="o")
    store(workspace, [*mine, *other], [*stars_for(mine, likes_heun_at_five), *stars_for(other, likes_heun_at_five, 50)])
    known = gather(workspace, Question(pack="heroes"))
    assert known.context == "heroes"
    assert {each.context for each in known.evidence.scored} == {"heroes", "boats"}
    advice = advise(workspace, Question(pack="heroes", baseline=BAD))
    assert any("only 6 ratings are of heroes" in each for each in advice.warnings)
    assert advise(workspace, Question(baseline=BAD)).baseline_expected.sd < advice.baseline_expected.sd


def test_a_class_tag_is_asked_for_like_a_pack(workspace: Workspace) -> None:
    """Pictures of several packs with one tag are one context."""
    mine = pictures(VALUES, PROMPTS[:2], pack_name="heroes", learning_tags=["class:people"])
    also = pictures(VALUES, PROMPTS[2:4], pack_name="saints", learning_tags=["class:people"], name="s")
    store(workspace, [*mine, *also], stars_for([*mine, *also], likes_heun_at_five))
    assert {each.context for each in gather(workspace, Question(pack="people")).evidence.scored} == {"people"}


def test_an_experiment_is_told_from_its_own_pictures(workspace: Workspace) -> None:
    """Nobody else's count, and its baseline is what advice is compared with."""
    plan = make_plan(
        {"sampler": "Euler", "cfg_scale": 11.0}, settings={"sampler": ["Euler", "Heun"], "cfg_scale": [2, 5, 11]}
    )
    save_experiment(workspace, new_experiment(plan, experiment_id="e"))
    own = pictures(VALUES, PROMPTS, experiment_id="e")
    other = pictures({"sampler": ["DDIM", "LMS"]}, PROMPTS, name="o")
    store(workspace, [*own, *other], [*stars_for(own, likes_heun_at_five), *stars_for(other, lambda _: 5, 100)])
    advice = advise(workspace, Question(experiment_id="e"))
    assert advice.ratings == 36
    assert (advice.baseline["sampler"], advice.baseline["cfg_scale"]) == ("Euler", 11.0)
    assert advice.settings["sampler"] == "Heun"


def test_imported_pictures_are_weak_and_named(workspace: Workspace) -> None:
    """Of another tool: observational in the evidence, and a note in the advice."""
    loved(workspace, source="import-a1111")
    assert all(each.observational for each in gather(workspace, Question()).evidence.scored)
    assert any("36 of 36 ratings are of imported pictures" in each for each in advise(workspace).warnings)


def test_the_next_pictures_go_on_from_what_is_known(workspace: Workspace) -> None:
    """Whole settings, the best known first, all different."""
    loved(workspace)
    batch = advise_next(workspace, Question(baseline=BAD), images=5)
    assert len(batch) == 5
    assert batch[0]["sampler"] == "Heun"
    assert len({tuple(sorted(row.items())) for row in batch}) == 5
    assert all(row["steps"] == 20 for row in batch)


def score_all(workspace: Workspace, records: Sequence[LearningRecord], score: Any, name: str = "judge") -> None:
    """A scorer's lines about `records`, a second apart."""
    writer = ScoreWriter(workspace.scores, name)
    start = datetime(2026, 11, 23, tzinfo=UTC)
    writer.append(
        *(
            ScoreLine(
                record_id=each.run.record_id, image_sha256="", scorer=name, version="1", score=float(score(each)),
                timestamp=(start + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            )
            for at, each in enumerate(records)
        )
    )  # fmt: skip
    writer.close()


def worth(record: LearningRecord) -> float:
    """What the person would say of the picture."""
    return likes_heun_at_five(knob_settings(record))


def test_a_useless_scorer_changes_nothing(workspace: Workspace) -> None:
    """It draws lots: however many pictures nobody rated it has scored, advice stays the same to the last digit."""
    records = loved(workspace)
    unrated = pictures(VALUES, PROMPTS, seeds=3, name="u")
    store(workspace, unrated, [])
    before = advise(workspace, Question(baseline=BAD))
    chance = random.Random(3)
    score_all(workspace, [*records, *unrated], lambda _: chance.random())
    assert advise(workspace, Question(baseline=BAD)) == before


def test_a_good_scorer_tells_about_pictures_nobody_rated(workspace: Workspace) -> None:
    """It agrees with the person: what it says of others narrows the advice, as doubtful ratings in its own name."""
    records = loved(workspace)
    unrated = pictures(VALUES, PROMPTS, seeds=3, name="u")[6:]
    store(workspace, unrated, [])
    before = advise(workspace, Question(baseline=BAD))
    chance = random.Random(3)
    score_all(workspace, [*records, *unrated], lambda record: worth(record) + chance.gauss(0, 0.3))
    scored = gather(workspace, Question()).evidence.scored
    stand_ins = [each for each in scored if each.who == "scorer:judge"]
    assert len(stand_ins) == len(unrated)
    assert all(each.noise >= 1 and each.observational for each in stand_ins)
    after = advise(workspace, Question(baseline=BAD))
    assert after.baseline_expected.sd < before.baseline_expected.sd
    assert after.settings["sampler"] == before.settings["sampler"] == "Heun"


def test_of_a_scorer_the_newest_word_on_a_picture_counts_and_never_beside_a_person(workspace: Workspace) -> None:
    """Rated pictures have no stand-in; scored twice, the later score counts."""
    records = loved(workspace)
    extra = pictures({"sampler": ["Heun"], "cfg_scale": [5.0]}, ["a new one"], name="u")
    store(workspace, extra, [])
    score_all(workspace, [*records, *extra], worth)
    evidence = gather(workspace, Question()).evidence
    own = dataclasses.replace(evidence, scored=tuple(each for each in evidence.scored if each.who == ""))
    (first,) = scorer_evidence(workspace, own, records, lambda _: "")
    assert first.stars > 3.5
    writer = ScoreWriter(workspace.scores, "judge")
    writer.append(
        ScoreLine(
            record_id=extra[0].run.record_id, image_sha256="", scorer="judge", version="1", score=-9.0,
            timestamp="2026-11-25T00:00:00.000Z",
        )
    )  # fmt: skip
    writer.close()
    (second,) = scorer_evidence(workspace, own, records, lambda _: "")
    assert second.stars < first.stars


def test_weak_stars_stand_back_behind_a_persons(workspace: Workspace) -> None:
    """A scorer's stand-ins say the opposite of what the person said of the same pictures: they count for nothing."""
    records = loved(workspace)
    before = advise(workspace, Question(baseline=BAD))
    against = stars_for(records, lambda each: 6 - likes_heun_at_five(each), 100, who="scorer:x", weak=True)
    writer = RatingWriter(workspace.ratings)
    writer.append(*against)
    writer.close()
    assert advise(workspace, Question(baseline=BAD)).settings == before.settings
    assert len(gather(workspace, Question()).evidence.scored) == 36


def test_a_plan_can_be_made_of_what_is_advised(workspace: Workspace) -> None:
    """The names and values of the next pictures are settings that a plan takes."""
    loved(workspace)
    rows = advise_next(workspace, Question(baseline=BAD))
    cells = [{name: row[name] for name in ("sampler", "cfg_scale")} for row in rows]
    assert (
        len(make_learning_plan(baseline=make_plan().baseline, prompts=["a"], design="listed", cells=cells).cells) == 6
    )
