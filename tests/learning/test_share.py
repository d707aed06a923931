from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms
from PIL.PngImagePlugin import PngInfo

from stablenew.errors import InputError
from stablenew.learning.execution_context import ExecutionContext, OutputImage
from stablenew.learning.image_strip import put_infotext, strip_metadata
from stablenew.learning.importing.a1111 import read_a1111
from stablenew.learning.importing.exif_texts import build_exif
from stablenew.learning.importing.image_texts import read_image_texts
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.share import Share, share_pictures, without_words
from stablenew.variant import EffectiveSettings, StageResult

SECRET = b"s3cret"
TEXT = "a s3cret cat\nSteps: 20, Seed: 1, Sampler: Euler"


def picture() -> Image.Image:
    return Image.effect_mandelbrot((40, 30), (-2, -1.5, 1, 1.5), 60).convert("RGB")


def file_with_secrets(form: str) -> bytes:
    """A picture with the secret wherever a file of its kind can hide one, and a colour profile that must stay."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "s3cret"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0s3cret"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if form == "png":
        info = PngInfo()
        info.add_text("parameters", TEXT)
        info.add_itxt("other", "s3cret")
        info.add(b"teSt", b"s3cret", after_idat=True)
        picture().save(buffer, "PNG", pnginfo=info, exif=exif, icc_profile=profile)
    elif form.startswith("jpeg"):
        picture().save(
            buffer,
            "JPEG",
            exif=exif,
            comment=b"s3cret",
            xmp=b"s3cret",
            icc_profile=profile,
            progressive=form == "jpeg progressive",
        )
    else:
        lossless = form == "webp lossless"
        picture().save(buffer, "WEBP", exif=exif, xmp=b"s3cret", icc_profile=profile, lossless=lossless)
    return buffer.getvalue() + (b"" if form.startswith("webp") else b"s3cret behind the end \xff\xd9")


FORMS = ["png", "jpeg", "jpeg progressive", "webp", "webp lossless"]


def same_pixels(one: bytes, other: bytes) -> bool:
    first, second = Image.open(io.BytesIO(one)), Image.open(io.BytesIO(other))
    return ImageChops.difference(first.convert("RGB"), second.convert("RGB")).getbbox() is None


@pytest.mark.parametrize("form", FORMS)
def test_stripping_leaves_the_picture_and_not_a_word(form: str) -> None:
    """Every pixel and the colour profile stay, every place that held the secret is empty."""
    whole = file_with_secrets(form)
    assert SECRET in whole
    bare = strip_metadata(whole)
    assert SECRET not in bare
    assert same_pixels(whole, bare)
    assert Image.open(io.BytesIO(bare)).info.get("icc_profile")
    assert strip_metadata(bare) == bare


@pytest.mark.parametrize("form", FORMS)
def test_a_text_can_be_put_in_and_is_read_back(form: str, tmp_path: Path) -> None:
    """Where A1111 puts its own, in any script; Pillow opens the file and sees the same pixels."""
    whole = file_with_secrets(form)
    text = "猫 ★ ü\nSteps: 20, Seed: 1, Sampler: Euler"
    data = put_infotext(strip_metadata(whole), text)
    (tmp_path / "x").write_bytes(data)
    texts = read_image_texts(tmp_path / "x", len(data)).texts
    found = read_a1111(texts)
    assert found is not None
    assert found.prompt == "猫 ★ ü"
    assert same_pixels(whole, data)


def test_pillow_writes_our_exif_into_avif_too(tmp_path: Path) -> None:
    """What an encoder is given as Exif is found in the file it writes."""
    picture().save(tmp_path / "x.avif", exif=build_exif(TEXT))
    found = read_a1111(read_image_texts(tmp_path / "x.avif", (tmp_path / "x.avif").stat().st_size).texts)
    assert found is not None
    assert found.prompt == "a s3cret cat"


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_file_is_refused(form: str) -> None:
    """Half a picture is never passed off as a stripped one."""
    whole = strip_metadata(file_with_secrets(form))
    for length in range(4, len(whole) - 1, 7):
        with pytest.raises(InputError):
            strip_metadata(whole[:length])


@settings(max_examples=150)
@given(form=st.sampled_from(FORMS), data=st.data())
def test_damage_is_refused_or_stripped(form: str, data: st.DataObject) -> None:
    """A changed byte gives a stripped file or an InputError, nothing else."""
    whole = bytearray(file_with_secrets(form))
    whole[data.draw(st.integers(0, min(len(whole), 400) - 1))] = data.draw(st.integers(0, 255))
    try:
        strip_metadata(bytes(whole))
    except InputError:
        return


def make_record(path: Path, root: Path) -> LearningRecord:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file_with_secrets("png"))
    extra = {"adetailer_options": '{"ad_prompt": "s3cret"}', "hires_scale": 1.5}
    effective = EffectiveSettings(sampler="Euler", steps=20, cfg_scale=7.0, model="m", extra=extra)
    context = ExecutionContext(
        run_id="r",
        record_id=f"id-{path.stem}",
        user_id="s3cret",
        host_id="s3cret",
        pack_name="s3cret",
        prompt="a s3cret cat",
        negative_prompt="s3cret",
        bindings={"who": "s3cret"},
        seed=5,
        stages=(StageResult(stage="txt2img", status="ok", seconds=1.0, effective=effective),),
        images=(OutputImage(path=path.relative_to(root).as_posix(), sha256="x"),),
    )
    return LearningRecord.from_pipeline_context({}, context)


def test_a_record_without_words_keeps_its_settings(tmp_path: Path) -> None:
    """Prompts, bindings, names and settings that may hold words are gone; sampler, seed, ids and rating stay."""
    record = make_record(tmp_path / "s3cret folder" / "a.png", tmp_path)
    bare = without_words(record)
    assert SECRET not in bare.to_line()
    assert (bare.pipeline.sampler, bare.prompt.seed, bare.run.record_id) == ("Euler", 5, "id-a")
    assert bare.pipeline.stages[0].extra == {"hires_scale": 1.5}
    assert bare.pipeline.settings_key == record.pipeline.settings_key
    assert LearningRecord.from_json(bare.to_json()) == bare


@pytest.mark.parametrize("share", ["full", "settings", "none"])
def test_copies_say_what_was_asked_for(share: Share, tmp_path: Path) -> None:
    """Everything, the settings alone, or nothing; the originals stay as they are."""
    original = tmp_path / "out" / "a.png"
    records = [make_record(original, tmp_path)]
    before = original.read_bytes()
    shared = list(share_pictures(records, tmp_path, tmp_path / "copies", share))
    assert [each.problem for each in shared] == [None]
    copy = shared[0].path
    assert copy is not None
    data = copy.read_bytes()
    assert original.read_bytes() == before
    assert same_pixels(before, data)
    assert (data == before) == (share == "full")
    assert (SECRET in data) == (share == "full")
    assert (b"Sampler: Euler" in data) == (share != "none")
    assert copy.name == ("00001.png" if share == "none" else "a.png")


def test_copies_never_overwrite_and_problems_are_said(tmp_path: Path) -> None:
    """Two pictures of one name become two files; a missing one is a problem, and the others are copied."""
    records = [make_record(tmp_path / folder / "a.png", tmp_path) for folder in ("one", "two", "three")]
    (tmp_path / "two" / "a.png").write_bytes(file_with_secrets("png") + b"other")
    (tmp_path / "three" / "a.png").unlink()
    shared = list(share_pictures(records, tmp_path, tmp_path / "copies", "full"))
    assert [each.path.name if each.path else None for each in shared] == ["a.png", "a-1.png", None]
    assert "three" in (shared[2].problem or "")
