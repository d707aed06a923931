"""Whatever JSON a server answers with, on whatever route, the outcome is a picture or an error of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stablenew.backends.base import GeneratedImage, Watch
from stablenew.errors import StableNewError
from stablenew.testing.stub_comfy import StubComfy
from stablenew.testing.stub_comfy_http import Fault
from tests.backends.comfy_requests import img2img, open_comfy, txt2img

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
HOSTILE = st.sampled_from(["../../x", "/etc/passwd", "C:\\x", "a\x00b", "x" * 300, "con", "", "\u202e"])
IMAGES = st.fixed_dictionaries({"filename": HOSTILE | JSON, "subfolder": HOSTILE | JSON, "type": HOSTILE | JSON})
ANSWERS = {
    "/prompt": JSON | st.fixed_dictionaries({"prompt_id": HOSTILE, "node_errors": JSON}),
    "/history/": JSON,
    "/queue": JSON | st.fixed_dictionaries({"queue_running": JSON, "queue_pending": JSON}),
    "/upload/image": JSON | st.fixed_dictionaries({"name": HOSTILE, "subfolder": HOSTILE}),
    "/object_info": JSON | st.dictionaries(st.sampled_from(["KSampler", "LoadImage"]), JSON),
    "/embeddings": JSON,
    "/system_stats": JSON | st.fixed_dictionaries({"system": JSON}),
    "/view": JSON,
}


@pytest.fixture(scope="module")
def stub() -> Iterator[StubComfy]:
    with StubComfy() as running:
        yield running


@pytest.mark.parametrize("path", ANSWERS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_answer_ends_well(
    stub: StubComfy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, data: st.DataObject
) -> None:
    """Any JSON, hostile names included, ends in a picture or an error of ours, and no file is written."""
    monkeypatch.chdir(tmp_path)
    answer: Any = data.draw(ANSWERS[path])
    backend = open_comfy(stub, workspace=tmp_path, poll_s=0.02, restart_wait_s=0.05)
    body = json.dumps(answer).encode()
    stub.faults.append(Fault(path=path, kind="answer", body=body, times=data.draw(st.integers(1, 3))))
    try:
        for _, outcome in backend.generate([txt2img() if path != "/upload/image" else img2img()], Watch()):
            assert isinstance(outcome, GeneratedImage | StableNewError)
    except StableNewError as exc:
        assert str(exc)  # noqa: PT017 - either way is right
    finally:
        backend.close()
        stub.faults.clear()
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(images=st.lists(IMAGES | JSON, max_size=3) | JSON)
def test_any_list_of_pictures_ends_well(stub: StubComfy, tmp_path: Path, images: Any) -> None:
    """Hostile file names in a job's outputs are asked of the server at most; they never become a path of ours."""
    backend = open_comfy(stub, workspace=tmp_path, poll_s=0.02, restart_wait_s=0.05)
    stub.before_node = lambda job, node_id: setattr(job, "images", _Hostile({"9": images}))
    try:
        for _, outcome in backend.generate([txt2img()], Watch()):
            assert isinstance(outcome, StableNewError)
    finally:
        backend.close()
        stub.before_node = None
    assert list(tmp_path.iterdir()) == []


class _Hostile(dict[str, Any]):
    """Outputs that stay as they are."""

    def __setitem__(self, key: str, value: Any) -> None:
        """Nothing is taken in."""
