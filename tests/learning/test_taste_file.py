"""The portable taste file: what is in it, what never is, and how files come together."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learning.archive import make_record, rate, write_lines

from stablenew.errors import InputError, NotFound
from stablenew.learning.learning_feedback import RatedPicture, RatingWriter, undo_of
from stablenew.learning.taste_file import (
    StarSums,
    TasteFile,
    TasteSource,
    merge_taste,
    parse_taste_file,
    portable_settings,
    read_taste_file,
    taste_file_bytes,
)
from stablenew.learning.taste_store import (
    export_taste,
    forget_taste,
    import_taste,
    imported_taste,
    taste_evidence,
    would_import,
    write_taste_file,
)
from stablenew.workspace import Workspace

NOW = datetime(2026, 11, 24, tzinfo=UTC)

SECRETS = (
    "a red fox named Kiki", "Kiki", "blurry hands", "golden hour", "private-pack", "ana", "bob", "studio-pc",
    "/home/ana", "C:\\Users\\ana", "runs/run-a", "00001-x.png", "deadbeef", "so soft", "good hands", "class:portraits",
    "portraits", "nudes-lora", "http://", "run-a", "one-click", "cat_ears",
)  # fmt: skip


@pytest.fixture
def rated(workspace: Workspace) -> Workspace:
    """Three pictures whose records hold every kind of private thing, with stars, notes and a choice."""
    for number in range(3):
        record = make_record(
            f"aaaa{number}",
            prompt="a red fox named Kiki <lora:nudes-lora:1>",
            negative_prompt="blurry hands",
            template="a red fox named [[name]]",
            bindings={"name": "Kiki", "light": "golden hour"},
            pack_name="private-pack",
            user_id="ana",
            host_id="studio-pc",
            seed=12345,
            sampler="Euler",
            steps=20 + 10 * (number == 2),
            model="/home/ana/models/dream.safetensors",
            learning_tags=["class:portraits"],
            one_click_action="one-click",
            images=({"path": "runs/run-a/images/00001-x.png", "sha256": "deadbeef" * 8, "width": 64, "height": 64},),
            axes={"[[light]]": "golden hour", "lora": "nudes-lora:1", "img2img.init_image": "C:\\Users\\ana\\x.png",
                  "adetailer_options": '{"ad_prompt": "cat_ears"}', "scripts": '{"p": ["Kiki"]}'},
            stages=(),
        )  # fmt: skip
        write_lines(workspace.records / "run-a.jsonl", record)
    writer = RatingWriter(workspace.ratings)
    writer.append(
        rate("aaaa0", 4, 1, who="ana", notes="so soft", add_tags=["good hands"]),
        rate("aaaa1", 5, 2, who="ana"),
        rate("aaaa2", 2, 3, who="ana"),
        rate("aaaa0", None, 4, who="ana", better_than=[RatedPicture(record_id="aaaa2", image_sha256="deadbeef" * 8)]),
        rate("aaaa2", 1, 5, who="bob", weak=True),
    )
    writer.close()
    return workspace


def test_nothing_private_gets_into_the_file(rated: Workspace) -> None:
    """No prompt, path, picture hash, name, note, tag, pack, slot, lora or seed; only what the schema says."""
    text = taste_file_bytes(export_taste(rated, now=NOW)).decode()
    for secret in SECRETS:
        assert secret not in text, secret
    assert "12345" not in text
    said = json.loads(text)
    assert set(said) == {"format", "version", "sources"}
    (source,) = said["sources"].values()
    assert set(source) == {"as_of", "stars", "choices"}
    for cell in source["stars"]:
        assert set(cell) == {"settings", "context", "n", "sum", "squares"}
        assert set(cell["settings"]) <= {"model", "sampler", "scheduler", "steps", "cfg_scale", "width", "height"}


def test_the_test_above_would_see_what_leaks(rated: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the guard removed, prompt words, paths and loras are in the file: the list of secrets is a sharp one."""
    monkeypatch.setattr("stablenew.learning.taste_file.portable_settings", dict)
    text = taste_file_bytes(export_taste(rated, now=NOW)).decode()
    leaked = {secret for secret in SECRETS if secret in text}
    assert leaked >= {"golden hour", "nudes-lora", "cat_ears", "Kiki", "/home/ana"}


def test_the_sums_are_those_of_the_stars(rated: Workspace) -> None:
    """Two pictures of 20 steps with 4 and 5, one of 30 with 2; the choice once; a weak line nowhere."""
    (source,) = export_taste(rated, now=NOW).sources.values()
    assert {(each.settings["steps"], each.n, each.sum, each.squares) for each in source.stars} == {
        (20, 2, 9.0, 41.0),
        (30, 1, 2.0, 4.0),
    }
    assert [(each.better["steps"], each.worse["steps"], each.n) for each in source.choices] == [(20, 30, 1)]
    assert source.stars[0].settings["model"] == "dream"


def test_what_was_taken_back_is_not_counted(rated: Workspace) -> None:
    """After an undo the picture is in no sum."""
    writer = RatingWriter(rated.ratings)
    last = rate("aaaa2", 3, 10, who="ana")
    writer.append(last)
    writer.append(undo_of(last, moment=datetime(2026, 11, 23, 1, tzinfo=UTC)))
    writer.close()
    (source,) = export_taste(rated, now=NOW).sources.values()
    assert source.ratings == 3
    assert {each.sum for each in source.stars if each.settings["steps"] == 30} == {2.0}


def test_contexts_cannot_be_guessed_and_differ_between_workspaces(rated: Workspace, tmp_path: Path) -> None:
    """The same records in another workspace have another hash: it depends on a key that is not in the file."""
    other = Workspace(root=tmp_path / "other")
    (other.records).mkdir(parents=True)
    (other.records / "run-a.jsonl").write_bytes((rated.records / "run-a.jsonl").read_bytes())
    other.ratings.mkdir(parents=True)
    (other.ratings / "ratings.jsonl").write_bytes((rated.ratings / "ratings.jsonl").read_bytes())
    mine, theirs = export_taste(rated, now=NOW), export_taste(other, now=NOW)
    assert mine.sources.keys().isdisjoint(theirs.sources)
    contexts = [
        {cell.context for source in taste.sources.values() for cell in source.stars} for taste in (mine, theirs)
    ]
    assert contexts[0].isdisjoint(contexts[1])
    secret = json.loads((rated.taste / "identity.json").read_text())["secret"]
    assert secret not in taste_file_bytes(mine).decode()


def test_a_workspace_keeps_its_id(rated: Workspace) -> None:
    """Exported twice, it is the same source."""
    assert export_taste(rated, now=NOW).sources.keys() == export_taste(rated).sources.keys()


SOURCES = st.sampled_from(["a" * 32, "b" * 32, "c" * 32])
TASTES = st.builds(
    TasteSource,
    as_of=st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.500Z", "2026-02-01T00:00:00Z"]),
    stars=st.tuples(
        st.builds(
            StarSums,
            settings=st.fixed_dictionaries({"steps": st.integers(10, 12)}),
            context=st.just("0" * 16),
            n=st.just(2),
            sum=st.just(6.0),
            squares=st.sampled_from([18.0, 20.0]),
        )
    ),
)
FILES = st.builds(TasteFile, sources=st.dictionaries(SOURCES, TASTES))


@given(FILES, FILES, FILES)
def test_merging_is_associative_commutative_and_idempotent(
    first: TasteFile, second: TasteFile, third: TasteFile
) -> None:
    """Whatever the order and however often, the same file byte for byte."""

    def merged(*files: TasteFile) -> bytes:
        found = TasteFile()
        for each in files:
            found = merge_taste(found, each)
        return taste_file_bytes(found)

    assert taste_file_bytes(merge_taste(first, merge_taste(second, third))) == merged(first, second, third)
    assert merged(first, second) == merged(second, first)
    assert merged(first, first) == merged(first)
    assert merged(first, second, first, second) == merged(first, second)


def test_of_one_source_the_newer_state_counts(rated: Workspace, tmp_path: Path) -> None:
    """Two exports of one workspace are not added up: that would count its ratings twice."""
    early = export_taste(rated, now=NOW)
    writer = RatingWriter(rated.ratings)
    writer.append(rate("aaaa2", 4, 20, who="ana"))
    writer.close()
    late = export_taste(rated, now=datetime(2026, 11, 25, tzinfo=UTC))
    assert merge_taste(early, late) == merge_taste(late, early) == late
    (source,) = merge_taste(early, late).sources.values()
    assert source.ratings == 3


def test_imported_statistics_are_weak_evidence(rated: Workspace, tmp_path: Path) -> None:
    """Each cell is one observational entry with its mean, noise 3/n + 1, and a context that is none of ours."""
    path, other = tmp_path / "ana.json", Workspace(root=tmp_path / "other")
    write_taste_file(path, export_taste(rated, now=NOW))
    assert [each.said for each in import_taste(other, path)] == ["new"]
    assert [each.said for each in import_taste(other, path)] == ["known already"]
    found = {entry.settings["steps"]: entry for entry in taste_evidence(other)}
    assert (found[20].stars, found[20].noise) == (4.5, 2.5)
    assert (found[30].stars, found[30].noise) == (2.0, 4.0)
    assert all(entry.observational and entry.context.startswith("taste:") for entry in found.values())
    (source_id,) = imported_taste(other).sources
    forget_taste(other, source_id[:8])
    assert taste_evidence(other) == []
    with pytest.raises(NotFound):
        forget_taste(other, source_id)


def test_what_an_import_would_add_is_said_without_adding_it(rated: Workspace, tmp_path: Path) -> None:
    """New, then known already, as the import itself says it; and our own coming back adds nothing."""
    path, other = tmp_path / "ana.json", Workspace(root=tmp_path / "other")
    write_taste_file(path, export_taste(rated, now=NOW))
    expected = would_import(other, path)
    assert [each.adds for each in expected] == [True]
    assert imported_taste(other).sources == {}
    assert import_taste(other, path) == expected
    assert [(each.said, each.adds) for each in would_import(other, path)] == [("known already", False)]
    assert [each.adds for each in would_import(rated, path)] == [False]


def test_ones_own_statistics_do_not_come_back_as_somebody_elses(rated: Workspace, tmp_path: Path) -> None:
    """Imported into the workspace it came from, a file adds nothing."""
    path = tmp_path / "mine.json"
    write_taste_file(path, export_taste(rated, now=NOW))
    assert [each.said for each in import_taste(rated, path)] == ["this workspace's own"]
    assert taste_evidence(rated) == []


def test_others_can_be_passed_on(rated: Workspace, tmp_path: Path) -> None:
    """With others, an export holds both sources, each under its own id."""
    path, other = tmp_path / "ana.json", Workspace(root=tmp_path / "other")
    write_taste_file(path, export_taste(rated, now=NOW))
    import_taste(other, path)
    assert len(export_taste(other, now=NOW).sources) == 1
    assert len(export_taste(other, now=NOW, with_others=True).sources) == 2


def one_cell(settings: dict[str, object], stars: float) -> str:
    """A file of one picture."""
    cell = {"settings": settings, "context": "0" * 16, "n": 1, "sum": stars, "squares": stars * stars}
    return json.dumps({"sources": {"a" * 32: {"as_of": "2026-01-01T00:00:00Z", "stars": [cell]}}})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "not a taste file"),
        ('{"format": "other"}', "not a taste file"),
        ('{"format": "stablenew-taste", "version": 2}', "version 2"),
        ('{"sources": {"x": {"as_of": "2026-01-01T00:00:00Z"}}}', "not a taste file"),
        (one_cell({"steps": 20}, 9), "n 1, sum 9"),
        (one_cell({"prompt": "x"}, 3), "cannot be such statistics"),
    ],
)
def test_what_is_no_taste_file_is_refused_in_words(text: str, says: str) -> None:
    """Another format, a newer version, impossible sums, settings that no taste file has."""
    with pytest.raises(InputError, match=says):
        parse_taste_file(text.encode(), "x.json")


def test_a_file_that_is_there_is_not_overwritten(rated: Workspace, tmp_path: Path) -> None:
    """Without replace, an error; what is there stays."""
    path = tmp_path / "mine.json"
    path.write_text("mine")
    with pytest.raises(InputError, match="there already"):
        write_taste_file(path, TasteFile())
    assert path.read_text() == "mine"
    write_taste_file(path, export_taste(rated, now=NOW), replace=True)
    assert read_taste_file(path) == export_taste(rated, now=NOW)


def test_names_with_folders_are_cut_and_texts_left_out() -> None:
    """A model by its bare name; a text with signs of prose, or too long, not at all."""
    given = {
        "model": "sd\\dream.ckpt [0123456789]", "sampler": "a, b", "steps": 20, "clip_skip": 2, "seed": 4,
        "img2img.denoise": 0.5, "vae": "x" * 90, "[[light]]": "dusk", "lora": "ink:1", "stages": "txt2img,upscale",
        "img2img.sampler": "/home/ana",
    }  # fmt: skip
    assert portable_settings(given) == {
        "model": "dream", "steps": 20, "clip_skip": 2, "img2img.denoise": 0.5, "stages": "txt2img,upscale"
    }  # fmt: skip
    assert portable_settings({"stages": "Kiki"}) == {}


def test_whoever_comes_first_names_the_source(workspace: Workspace) -> None:
    """Eight threads that export at once from a fresh workspace are one source."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: tuple(export_taste(workspace, now=NOW).sources), range(8)))
    assert len(set(found)) == 1
    assert [path.name for path in workspace.taste.iterdir()] == ["identity.json"]


def test_a_damaged_identity_is_named(workspace: Workspace) -> None:
    """The error says which file, and what deleting it does."""
    workspace.taste.mkdir(parents=True)
    (workspace.taste / "identity.json").write_text("{")
    with pytest.raises(InputError, match=r"identity\.json is damaged.*new source"):
        export_taste(workspace)
