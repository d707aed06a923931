"""Ratings in and out of pictures as XMP."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.learning.archive import make_record, rate, write_lines

from stablenew.errors import InputError, NotFound
from stablenew.learning.learning_feedback import RatingWriter
from stablenew.learning.rating_exchange import export_xmp, import_xmp, record_of_picture
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.xmp import (
    Xmp,
    compose_xmp,
    embed_xmp,
    embedded_packet,
    parse_xmp,
    read_xmp,
    record_id_in,
    sidecar_path,
)
from stablenew.pipeline.image_metadata import encode_png, record_chunk
from stablenew.workspace import Workspace

FULL = Xmp(score=4, tags=("good hands", "naïve 猫 <&>"), notes='soft "light"')

# As written by darktable, by Adobe Bridge (attributes) and by exiftool (elements), shortened.
DARKTABLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:darktable="http://darktable.sf.net/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="3" darktable:auto_presets_applied="1">
 <dc:subject><rdf:Bag><rdf:li>fox</rdf:li><rdf:li>moss</rdf:li></rdf:Bag></dc:subject>
 <darktable:history><rdf:Seq/></darktable:history></rdf:Description></rdf:RDF></x:xmpmeta>"""
EXIFTOOL = b"""<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
 <rdf:Description rdf:about='' xmlns:xmp='http://ns.adobe.com/xap/1.0/'><xmp:Rating>-1</xmp:Rating></rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end='w'?>"""


def a_picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x9286] = "comment"
    options = {"exif": exif} if kind == "JPEG" else {}
    Image.effect_noise((32, 24), 60).save(buffer, kind, **options)
    return buffer.getvalue()


texts = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(lambda t: t.strip())


@given(
    st.builds(
        Xmp,
        score=st.none() | st.integers(1, 5),
        tags=st.lists(texts, unique=True).map(tuple),
        notes=st.just("") | texts,
    )
)
def test_what_is_written_is_read_back(said: Xmp) -> None:
    """Score, tags and notes of any text."""
    assert parse_xmp(compose_xmp(said)) == said


def test_what_photo_tools_write_is_read() -> None:
    """Attributes and elements, a rejected picture, a packet with its wrapper."""
    assert parse_xmp(DARKTABLE) == Xmp(score=3, tags=("fox", "moss"))
    assert parse_xmp(EXIFTOOL) == Xmp(rejected=True)
    assert parse_xmp(EXIFTOOL.replace(b"-1", b"0")) == Xmp()


def test_what_others_wrote_stays(tmp_path: Path) -> None:
    """A darktable sidecar keeps its history when we change the rating in it."""
    changed = compose_xmp(FULL, DARKTABLE)
    assert parse_xmp(changed) == FULL
    assert b"http://darktable.sf.net/" in changed
    assert b"auto_presets_applied" in changed
    assert b">fox<" not in changed


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_xmp_goes_into_a_picture_without_touching_its_pixels(kind: str) -> None:
    """Other programs read it, every other byte stays, and writing again replaces it."""
    before = a_picture(kind)
    once = embed_xmp(before, FULL)
    twice = embed_xmp(once, Xmp(score=2))
    for data, said in ((once, FULL), (twice, Xmp(score=2))):
        with Image.open(io.BytesIO(data)) as image, Image.open(io.BytesIO(before)) as original:
            assert image.tobytes() == original.tobytes()
            assert image.getexif() == original.getexif()
            assert b"Rating" in (image.info["xmp"] if kind == "JPEG" else image.info["XML:com.adobe.xmp"].encode())
        assert parse_xmp(embedded_packet(data) or b"") == said
    packet = embedded_packet(once) or b""
    assert len(once) - len(before) - len(packet) < 64
    assert once.replace(packet, b"").startswith(before[:20])
    assert before[40:] in once or kind == "JPEG"


def test_webp_is_read_and_not_written() -> None:
    """Its XMP chunk says the rating; writing asks for a sidecar."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "WEBP", xmp=compose_xmp(FULL))
    assert parse_xmp(embedded_packet(buffer.getvalue()) or b"") == FULL
    with pytest.raises(InputError, match="sidecar"):
        embed_xmp(buffer.getvalue(), FULL)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no xml",
        b"<x/>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        EXIFTOOL.replace(b"-1", b"many"),
        EXIFTOOL.replace(b"-1", b"inf"),
        b"<x>" * 100_000,
        b" " * (2 << 20),
    ],
)
def test_what_is_no_xmp_is_refused(data: bytes) -> None:
    """Hostile or broken text is an error of ours, at once."""
    with pytest.raises(InputError):
        parse_xmp(data)


@given(st.integers(0, 400), st.integers(0, 255))
def test_broken_pictures_break_nothing(place: int, value: int) -> None:
    """Any byte changed, any cut: a packet, none, or an error of ours."""
    for whole in (embed_xmp(PNG, FULL), embed_xmp(JPEG, FULL)):
        spoiled = bytearray(whole[: len(whole) - place])
        spoiled[place % len(spoiled)] = value
        try:
            embedded_packet(bytes(spoiled))
            record_id_in(bytes(spoiled))
        except InputError:
            pass


PNG, JPEG = a_picture("PNG"), a_picture("JPEG")


@pytest.fixture
def rated(workspace: Workspace) -> tuple[Workspace, Path]:
    """A picture of ours with its record and a rating."""
    path = workspace.runs / "run-a" / "images" / "a.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_png(Image.new("RGB", (8, 8)), {"stablenew": record_chunk("r1", "run-a")}))
    import hashlib

    image = {"path": workspace.relative(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    write_lines(workspace.records / "run-a.jsonl", make_record("r1", images=[image]), make_record("r2"))
    writer = RatingWriter(workspace.ratings, durability="none")
    writer.append(rate("r1", 4, 1, add_tags=["hands"], notes="nice"))
    writer.close()
    return workspace, path


def test_ratings_go_out_as_sidecars_and_come_back(rated: tuple[Workspace, Path]) -> None:
    """A photo tool changes the stars; importing appends that, once, and the picture itself was never touched."""
    workspace, path = rated
    before = path.read_bytes()
    writer = RatingWriter(workspace.ratings, durability="none")
    with RecordIndex.of(workspace) as index:
        (written,) = export_xmp(index, workspace.root)
        assert written.path == sidecar_path(path)
        assert read_xmp(path) == Xmp(score=4, tags=("hands",), notes="nice")
        assert list(import_xmp(index, writer, [path.parent], None)) == []  # nothing new
        sidecar_path(path).write_bytes(
            compose_xmp(Xmp(score=5, tags=("hands", "eyes")), sidecar_path(path).read_bytes())
        )
        assert [each.record_id for each in import_xmp(index, writer, [path.parent], None)] == ["r1"]
        assert list(import_xmp(index, writer, [path.parent], None)) == []
        assert index.get("r1").feedback.rating == 5
        assert index.get("r1").feedback.tags == ["eyes", "hands"]
        assert index.get("r1").feedback.notes == "nice"
    writer.close()
    assert path.read_bytes() == before


def test_ratings_travel_inside_copies(rated: tuple[Workspace, Path], tmp_path: Path) -> None:
    """A copy with the XMP inside is known again by the record it names, although its bytes are others."""
    workspace, _ = rated
    writer = RatingWriter(workspace.ratings, durability="none")
    with RecordIndex.of(workspace) as index:
        (written,) = export_xmp(index, workspace.root, into=tmp_path / "out")
        assert read_xmp(written.path) == Xmp(score=4, tags=("hands",), notes="nice")
        written.path.write_bytes(embed_xmp(written.path.read_bytes(), Xmp(rejected=True)))
        assert [each.problem for each in import_xmp(index, writer, [tmp_path / "out"], "ann")] == [None]
        assert "rejected" in index.get("r1").feedback.tags
        assert record_of_picture(index, written.path)[0].run.record_id == "r1"
    writer.close()


def test_a_renamed_picture_without_our_id_is_known_by_its_content(
    rated: tuple[Workspace, Path], tmp_path: Path
) -> None:
    """The hash finds the record; a stranger's picture is reported, a missing folder is an error."""
    workspace, _ = rated
    plain = tmp_path / "moved" / "renamed.png"
    plain.parent.mkdir()
    plain.write_bytes(PNG)
    import hashlib

    image = {"path": "runs/run-a/images/p.png", "sha256": hashlib.sha256(PNG).hexdigest()}
    write_lines(workspace.records / "run-a.jsonl", make_record("r3", images=[image]))
    stranger = plain.with_name("stranger.jpg")
    stranger.write_bytes(embed_xmp(JPEG, FULL))
    sidecar_path(plain).write_bytes(compose_xmp(FULL))
    writer = RatingWriter(workspace.ratings, durability="none")
    with RecordIndex.of(workspace) as index:
        found = list(import_xmp(index, writer, [plain.parent], None))
        assert [(each.record_id, each.problem is None) for each in found] == [("r3", True), (None, False)]
        assert index.get("r3").feedback.rating == 4
        with pytest.raises(NotFound):
            list(import_xmp(index, writer, [tmp_path / "nowhere"], None))
    writer.close()
