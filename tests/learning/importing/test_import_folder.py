from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from tests.learning.importing import pictures

from stablenew.errors import NotFound, RecordNotWritten
from stablenew.learning.importing.import_folder import FolderImport, Imported, walk_pictures
from stablenew.learning.importing.weak_ratings import is_favourite_folder
from stablenew.learning.learning_feedback import Rating, RatingWriter, new_rating, read_ratings
from stablenew.learning.learning_reader import read_current_records
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_fold import read_feedback
from stablenew.learning.xmp import Xmp, embed_xmp, write_sidecar
from stablenew.workspace import Workspace


def import_all(workspace: Workspace, folder: Path) -> list[Imported]:
    with FolderImport(workspace, folder) as work:
        return list(work.take(work.pending()))


def records(workspace: Workspace) -> list[LearningRecord]:
    return list(read_current_records(workspace.records))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture of each tool, a photo, a broken file, one of ours, a text file, and things that must not be touched."""
    root = tmp_path / "Output Images"
    for number, (tool, texts) in enumerate(sorted(pictures.tool_texts().items())):
        pictures.write_png(root / "2025-01" / f"{tool}.png", texts, shade=number)
    pictures.write_png(root / "photo.png", {}, shade=99)
    pictures.write_png(root / "ours.png", {"stablenew": '{"record_id": "x"}', "parameters": pictures.A1111})
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    (root / "notes.txt").write_text("not a picture")
    (root / ".hidden").mkdir()
    pictures.write_png(root / ".hidden" / "x.png", {"parameters": pictures.A1111}, shade=50)
    return root


def test_a_folder_becomes_records(workspace: Workspace, folder: Path) -> None:
    """One record per picture with settings; the rest is said to be what it is."""
    became = Counter(each.became for each in import_all(workspace, folder))
    assert became == {"record": 8, "no settings": 1, "ours": 1, "unreadable": 1}
    made = {record.run.source: record for record in records(workspace)}
    assert set(made) == {f"import:{tool}" for tool in pictures.tool_texts()}
    record = made["import:a1111"]
    assert record.run.run_id.startswith("import-Output-Images-")
    assert {"imported", "observational"} <= set(record.run.learning_tags)
    assert (record.pipeline.sampler, record.pipeline.steps, record.prompt.seed) == ("DPM++ 2M", 28, 1234567890)
    image = record.outcome.images[0]
    assert Path(image.path) == folder / "2025-01" / "a1111.png"
    assert (image.width, image.height, len(image.sha256)) == (16, 24, 64)


def test_what_a_picture_does_not_say_is_none(workspace: Workspace, tmp_path: Path) -> None:
    """No default of ours is passed off as what another tool did."""
    pictures.write_png(tmp_path / "in" / "x.png", {"parameters": "p\nSteps: 7, Sampler: Euler, Seed: 1"})
    import_all(workspace, tmp_path / "in")
    pipeline = records(workspace)[0].pipeline
    assert pipeline.steps == 7
    assert (pipeline.cfg_scale, pipeline.scheduler, pipeline.model, pipeline.width) == (None, None, None, None)
    assert pipeline.stages[0].seconds is None


def test_nothing_in_the_folder_is_changed(workspace: Workspace, folder: Path) -> None:
    """Names, sizes, contents and times are the same afterwards, access times apart."""

    def state() -> dict[str, tuple[int, bytes]]:
        return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}

    before = state()
    import_all(workspace, folder)
    assert state() == before


def test_a_second_import_looks_at_nothing_twice(workspace: Workspace, folder: Path) -> None:
    """Only what is new or changed is looked at again; records stay one per picture."""
    import_all(workspace, folder)
    assert import_all(workspace, folder) == []
    pictures.write_png(folder / "new.png", {"parameters": pictures.A1111}, shade=200)
    broken = pictures.write_png(folder / "broken.png", {"parameters": pictures.A1111}, shade=201)
    assert [each.path for each in import_all(workspace, folder)] == [broken, folder / "new.png"]
    assert len(records(workspace)) == 10


def test_an_interrupted_import_goes_on(workspace: Workspace, folder: Path) -> None:
    """Stopped after three files, it does the others next time; a lost journal costs a second look, no second record."""
    with FolderImport(workspace, folder) as work:
        taken = work.take(work.pending())
        done = [next(taken) for _ in range(3)]
        taken.close()  # type: ignore[attr-defined] # it is a generator
    rest = import_all(workspace, folder)
    assert len(done) + len(rest) == 11
    assert not {each.path for each in done} & {each.path for each in rest}
    for journal in (workspace.root / "learning" / "imports").iterdir():
        journal.write_bytes(journal.read_bytes()[:-20])
    again = import_all(workspace, folder)
    assert len(again) == 1
    for journal in (workspace.root / "learning" / "imports").iterdir():
        journal.unlink()
    assert Counter(each.became for each in import_all(workspace, folder))["duplicate"] == 8
    assert len(records(workspace)) == 8


def test_copies_are_one_record(workspace: Workspace, tmp_path: Path) -> None:
    """The same content twice in a folder, or in two folders, counts once."""
    one = pictures.write_png(tmp_path / "one" / "a.png", {"parameters": pictures.A1111})
    (tmp_path / "one" / "b.png").write_bytes(one.read_bytes())
    assert [each.became for each in import_all(workspace, tmp_path / "one")] == ["record", "duplicate"]
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "c.png").write_bytes(one.read_bytes())
    import_all(workspace, tmp_path / "two")
    assert len(records(workspace)) == 1


def test_stars_and_folders_of_favourites_are_weak_ratings(workspace: Workspace, tmp_path: Path) -> None:
    """XMP inside or beside the picture, Exif stars and folder names count, marked weak, at the picture's own time."""
    root = tmp_path / "out"
    texts = {"parameters": pictures.A1111}
    pictures.write_png(root / "plain.png", texts, shade=1)
    pictures.write_png(root / "My favourites" / "f.png", texts, shade=2)
    write_sidecar(pictures.write_png(root / "sidecar.png", texts, shade=3), Xmp(score=4, tags=("hands",)))
    inside = pictures.write_png(root / "inside.png", texts, shade=4)
    inside.write_bytes(embed_xmp(inside.read_bytes(), Xmp(score=2)))
    pictures.write_other(root / "exif.jpg", pictures.exif_bytes(comment=pictures.A1111, tags={0x4746: 5}))
    rated = {each.path.name for each in import_all(workspace, root) if each.rated}
    assert rated == {"f.png", "sidecar.png", "inside.png", "exif.jpg"}
    feedback = read_feedback(workspace.ratings)
    by_name = {Path(r.outcome.images[0].path).name: feedback.get(r.run.record_id) for r in records(workspace)}
    assert by_name["plain.png"] is None
    said = {name: (each.score, each.favourite, each.tags) for name, each in by_name.items() if each is not None}
    assert said == {
        "f.png": (None, True, ()),
        "sidecar.png": (4, False, ("hands",)),
        "inside.png": (2, False, ()),
        "exif.jpg": (5, False, ()),
    }
    ratings = [each for each in read_ratings(workspace.ratings) if isinstance(each, Rating)]
    assert all(each.weak and each.surface == "import" for each in ratings)


def test_a_weak_rating_never_outweighs_what_a_person_said(workspace: Workspace, tmp_path: Path) -> None:
    """Five stars in the file, two given here: two it is, whichever came first."""
    root = tmp_path / "out"
    pictures.write_other(root / "x.jpg", pictures.exif_bytes(comment=pictures.A1111, tags={0x4746: 5}))
    record_id = import_all(workspace, root)[0].record_id
    assert record_id is not None
    writer = RatingWriter(workspace.ratings)
    writer.append(new_rating(record_id, score=2))
    writer.close()
    assert read_feedback(workspace.ratings)[record_id].score == 2


def test_folders_of_favourites_are_told_by_whole_words() -> None:
    """A word that only begins or ends like one is none."""
    for name in ("Favorites", "my_favs", "best of 2024", "Starred", "keepers", "2024-best"):
        assert is_favourite_folder(name), name
    for name in ("bestiary", "outputs", "unstarred", "favela"):
        assert not is_favourite_folder(name), name


def test_a_missing_folder_is_an_error(workspace: Workspace, tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(NotFound, match="nowhere"):
        FolderImport(workspace, tmp_path / "nowhere")


def test_the_workspace_inside_the_folder_is_left_out(tmp_path: Path) -> None:
    """Our own pictures are not imported, even if the workspace lies in the folder."""
    pictures.write_png(tmp_path / "ws" / "runs" / "x.png", {"parameters": pictures.A1111})
    pictures.write_png(tmp_path / "y.png", {"parameters": pictures.A1111})
    assert [each.path.name for each in import_all(Workspace(root=tmp_path / "ws"), tmp_path)] == ["y.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_and_circular_links_are_passed_by(tmp_path: Path) -> None:
    """A pipe called like a picture, a link to the folder above and a dead link do not hang the walk."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dead.png").symlink_to(tmp_path / "nothing.png")
    pictures.write_png(tmp_path / "x.png", {})
    assert [each.path.name for each in walk_pictures(tmp_path)] == ["x.png"]


@pytest.mark.skipif(not hasattr(os, "fsencode") or os.name == "nt", reason="names on Windows are always Unicode")
def test_names_that_are_no_text_are_imported(workspace: Workspace, tmp_path: Path) -> None:
    """A file name that is not UTF-8 gets its record, and is not looked at twice."""
    data = pictures.write_png(tmp_path / "x.png", {"parameters": pictures.A1111}).read_bytes()
    root = tmp_path / "in"
    root.mkdir()
    (root / os.fsdecode(b"na\xefve.png")).write_bytes(data)
    assert [each.became for each in import_all(workspace, root)] == ["record"]
    assert import_all(workspace, root) == []
    assert records(workspace)[0].outcome.images[0].path.endswith("na\\udcefve.png")


def test_a_record_that_cannot_be_stored_ends_the_import(workspace: Workspace, folder: Path) -> None:
    """A full or read-only disk is no reason to go on as if records were kept."""
    with FolderImport(workspace, folder) as work:
        in_the_way = workspace.records / f"{work.run_id}.jsonl"
    in_the_way.mkdir(parents=True)
    with pytest.raises(RecordNotWritten):
        import_all(workspace, folder)
