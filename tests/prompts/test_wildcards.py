"""Wildcards from files: names, globs, order, and files that are wrong."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.errors import PackError
from stablenew.prompts.wildcards import Wildcards, parse_values, read_tree


@pytest.fixture
def library(tmp_path):
    """A folder with all three kinds of file."""
    (tmp_path / "animals").mkdir()
    (tmp_path / "animals" / "cats.txt").write_text("# pets\ntabby\n3::siamese\n\ntabby\n", encoding="utf-8")
    (tmp_path / "animals" / "wild").mkdir()
    (tmp_path / "animals" / "wild" / "big.txt").write_text("lion\r\ntiger", encoding="utf-8-sig")
    (tmp_path / "any.yaml").write_text(
        "colours:\n  warm: [red, 2::orange]\n  cold:\n    - blue\n    - {text: ice, weight: 4}\n"
    )
    (tmp_path / "more.json").write_text('{"styles": ["oil", 1920], "one": "x"}')
    (tmp_path / "flat.yml").write_text("- zebra\n- ant\n")
    return Wildcards(folders=(tmp_path,))


def texts(library, pattern):
    return library.values(pattern, where="p.txt", line=1, column=2).texts


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("animals/cats", ("tabby", "siamese")),
        ("cats", ("tabby", "siamese")),
        ("Animals/CATS", ("tabby", "siamese")),
        ("animals/*", ("tabby", "siamese")),
        ("animals/**", ("tabby", "siamese", "lion", "tiger")),
        ("**/big", ("lion", "tiger")),
        ("colours/warm", ("red", "orange")),
        ("colours/*", ("blue", "ice", "red", "orange")),
        ("styles", ("oil", "1920")),
        ("one", ("x",)),
        ("flat", ("zebra", "ant")),
    ],
)
def test_names_and_globs(library, pattern, expected):
    """Values come in the order of the file, each once; a glob goes through the names in order."""
    assert texts(library, pattern) == expected


def test_weights(library):
    """Weights of all three notations are read."""
    assert library.values("animals/cats", where="p", line=1, column=1).weights == (1.0, 3.0)
    assert library.values("colours/cold", where="p", line=1, column=1).weights == (1.0, 4.0)


def test_a_missing_wildcard_names_who_asks_and_the_nearest(library):
    """The error has the pack's line and column, and the nearest name; it never repeats or passes in silence."""
    with pytest.raises(PackError, match=r"p\.txt:1:2: .*did you mean __animals/cats__"):
        texts(library, "animals/cat")


def test_only_files_of_the_folder_are_opened(library, tmp_path):
    """A name cannot leave the folder, and links are not followed."""
    outside = tmp_path.parent / "secret.txt"
    outside.write_text("secret")
    for pattern in ("../secret", "/etc/passwd", "animals/../../secret"):
        with pytest.raises(PackError):
            texts(library, pattern)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "a: [1, 2"),
        ("a.yaml", "a: !!python/object/apply:os.system [echo]"),
        ("a.yaml", "[" * 5_000),
        ("a.yaml", "a: [[1]]"),
        ("a.yaml", "&a [" + "*a" + "]"),
        ("a.yaml", "x0: &x0 [a]\n" + "".join(f"x{i + 1}: &x{i + 1} {{l: *x{i}, r: *x{i}}}\n" for i in range(45))),
        ("a.json", '{"a": '),
        ("a.json", "[" * 100_000),
        ("a.json", "9" * 10_000),
        ("a.json", '{"a": [{"b": 1}]}'),
    ],
)
def test_files_that_are_wrong_are_clear_errors(tmp_path, name, text):
    """Broken, hostile and exploding files end at once with a PackError that names the file."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(PackError, match=name):
        read_tree(path)


@given(st.text(max_size=40), st.sampled_from(["a.json", "a.yaml"]))
def test_any_text_is_a_tree_or_a_clear_error(text, name):
    """Arbitrary text in a tree file is read or refused."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8", errors="replace", newline="")
        try:
            read_tree(path)
        except PackError as error:
            assert "a." in str(error)  # noqa: PT017 - either outcome is right


@given(st.text(max_size=60))
def test_any_text_is_a_list_of_values(text):
    """A .txt wildcard takes any text; no value is empty or comes twice."""
    values = parse_values(text).texts
    assert len(set(values)) == len(values)


def test_nothing_is_read_or_run_at_import():
    """Importing the wildcards does not import YAML, let alone read a file."""
    code = "import sys, stablenew.prompts.randomizer; print('yaml' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
