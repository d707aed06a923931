"""Broken and hostile files: each is refused or read within bounds, and never more is read or unpacked than allowed."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learning.importing import pictures
from tests.learning.importing.pictures import raw_png

from stablenew.learning.importing.exif_texts import decode_comment, encode_comment, read_exif
from stablenew.learning.importing.image_texts import (
    TEXT_BYTES_MAX,
    ImageTexts,
    UnreadablePicture,
    read_image_texts,
)
from stablenew.learning.importing.read_picture import read_settings


def read(path: Path, data: bytes) -> ImageTexts:
    path.write_bytes(data)
    return read_image_texts(path, len(data))


def bomb(size: int) -> bytes:
    return zlib.compress(b"a" * size, 9)


HOSTILE = {
    "empty": b"",
    "text": b"hello, I am no picture",
    "cut header": b"\x89PNG\r\n\x1a\n\0\0",
    "no end": raw_png((b"tEXt", b"parameters\0x"), end=False),
    "packed bomb": raw_png((b"zTXt", b"parameters\0\0" + bomb(200_000_000))),
    "packed bomb in iTXt": raw_png((b"iTXt", b"parameters\0\1\0\0\0" + bomb(200_000_000))),
    "damaged packing": raw_png((b"zTXt", b"parameters\0\0not zlib")),
    "huge text": raw_png((b"tEXt", b"parameters\0" + b"a" * (TEXT_BYTES_MAX + 1))),
    "many texts": raw_png(*[(b"tEXt", b"k%d\0" % n + b"a" * 3_000_000) for n in range(8)]),
    "length beyond the file": b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 0x7FFFFFFF, b"tEXt") + b"x",
    "too many chunks": raw_png(*[(b"junk", b"")] * 100_001),
    "no size": raw_png().replace(struct.pack(">II", 8, 8), struct.pack(">II", 0, 8)),
    "absurd size": raw_png().replace(struct.pack(">II", 8, 8), struct.pack(">II", 2**31, 2**31)),
    "cut jpeg": b"\xff\xd8\xff\xe1\xff\xff" + b"Exif\0\0",
    "jpeg segment of no length": b"\xff\xd8\xff\xe1\0\0" + b"\xff\xd9",
    "webp beyond its end": b"RIFF\0\0\0\0WEBPEXIF" + struct.pack("<I", 2**31) + b"x",
    "webp huge exif": b"RIFF\0\0\0\0WEBPEXIF" + struct.pack("<I", TEXT_BYTES_MAX + 2) + b"x" * (TEXT_BYTES_MAX + 2),
    "no avif": b"\0\0\0\x20ftypavif" + b"\0" * 100,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    """The reason is said, and no other error comes out."""
    with pytest.raises(UnreadablePicture, match=r"\w+ \w+"):
        read(tmp_path / "x", HOSTILE[name])


def test_every_cut_of_a_picture_is_refused(tmp_path: Path) -> None:
    """A PNG cut at any byte is told from a whole one: watching a folder meets files that are still being written."""
    whole = pictures.write_png(tmp_path / "whole.png", {"parameters": "p\nSteps: 1, Seed: 2"}).read_bytes()
    for length in range(len(whole)):
        with pytest.raises(UnreadablePicture):
            read(tmp_path / "cut.png", whole[:length])
    assert read(tmp_path / "cut.png", whole).texts == {"parameters": "p\nSteps: 1, Seed: 2"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no address space limit")
def test_bombs_are_met_within_little_memory(tmp_path: Path) -> None:
    """All hostile files in a process that may have 400 MB of memory in all: none of them makes it ask for more."""
    for number, data in enumerate(HOSTILE.values()):
        (tmp_path / f"{number}.png").write_bytes(data)
    # A picture of 60,000 x 60,000 pixels, 10 GB when decoded: it is read, because no pixel is ever looked at.
    (tmp_path / "large.png").write_bytes(
        raw_png((b"tEXt", b"parameters\0p\nSteps: 1, Seed: 2")).replace(
            struct.pack(">II", 8, 8), struct.pack(">II", 60_000, 60_000)
        )
    )
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (400_000_000,) * 2)\n"
        "from pathlib import Path\n"
        "from stablenew.learning.importing.import_folder import FolderImport\n"
        "from stablenew.workspace import Workspace\n"
        "with FolderImport(Workspace(root=Path(sys.argv[2])), Path(sys.argv[1])) as work:\n"
        "    became = [each.became for each in work.take(work.pending())]\n"
        "print(became.count('unreadable'), became.count('record'), len(became))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(tmp_path / "workspace")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(len(HOSTILE)), "1", str(len(HOSTILE) + 1)], done.stderr


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def cyclic(count: int) -> str:
    """Nodes that all link to all of a hundred others, themselves included, through every kind of input."""
    keys = ("positive", "negative", "conditioning", "model", "text", "latent_image", "samples", "guider")
    nodes = {
        str(n): {
            "class_type": "SaveImage",
            "inputs": {key: [str((n * 7 + k) % count), 0] for k, key in enumerate(keys)},
        }
        for n in range(count)
    }
    return json.dumps(nodes)


def many_ways(depth: int) -> str:
    """String nodes that each join the next one twenty times: 20 to the power of `depth` ways through a few nodes."""
    nodes = {
        str(n): {"class_type": "Join", "inputs": {str(k): [str(n + 1), 0] for k in range(20)}} for n in range(depth)
    }
    nodes[str(depth)] = {"class_type": "Text", "inputs": {"text": "long " * 1000}}
    nodes["e"] = {"class_type": "CLIPTextEncode", "inputs": {"text": ["0", 0]}}
    sampler = {"latent_image": ["0", 0], "steps": 1, "cfg": 1, "positive": ["e", 0], "negative": ["e", 0]}
    return json.dumps(nodes | {"s": {"class_type": "KSampler", "inputs": sampler}})


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("prompt", many_ways(9)),
        ("prompt", nested(100_000)),
        ("prompt", cyclic(10_000)),
        ("prompt", json.dumps({"1": {"class_type": "KSampler", "inputs": {"latent_image": ["1", 0], "steps": ["1", 0], "cfg": 1, "positive": ["1", 0]}}})),  # noqa: E501
        ("parameters", "Steps: 1, " + "," * 3_000_000),
        ("parameters", "a" * 3_000_000),
        ("parameters", "a:" * 1_500_000),
        ("parameters", "\n" * 3_000_000 + "x"),
        ("parameters", "Negative prompt:\n" * 200_000),
        ("Dream", '"' + "[" * 19_000),
        ("sd-metadata", json.dumps({"image": {"prompt": "[ " * 400_000}})),
        ("sd-metadata", json.dumps({"image": {"prompt": " " * 1_000_000 + "x"}})),
        ("invokeai_metadata", json.dumps({"seed": 10**4000, "steps": "9" * 5000, "cfg_scale": "1e999"})),
    ],
    ids=lambda value: value[:12],
)  # fmt: skip
def test_hostile_texts_end(key: str, text: str) -> None:
    """Nested, cyclic, endless or absurd texts are done with in time that grows with their length alone."""
    read_settings({key: text})


@given(st.binary(max_size=300), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_any_exif_is_survived(data: bytes, head: bytes) -> None:
    """Directories that lead anywhere, into themselves included, give what can be read and no error."""
    read_exif(head + data)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), st.sampled_from("<>"))
def test_comments_round_trip(prompt: str, order: str) -> None:
    """What is written as piexif writes it is read back, whatever the byte order of the file around it."""
    text = f"p {prompt}\nSteps: 20, Sampler: Euler a, Seed: 1"
    assert decode_comment(encode_comment(text), order) == text


@given(
    st.sampled_from([raw_png((b"tEXt", b"a\0b"), (b"zTXt", b"c\0\0" + zlib.compress(b"d"))), pictures.small_jpeg()]),
    st.data(),
)
def test_no_changed_byte_breaks_the_reader(whole: bytes, data: st.DataObject) -> None:
    """A file with a few bytes changed is read or refused; nothing else comes out."""
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(UnreadablePicture):
        read_settings(read(Path(folder) / "x", bytes(changed)).texts)
