"""Whatever goes wrong on the way ends in a clear error or in one more try, never in two pictures for one request."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stablenew.backends.base import GeneratedImage, Outcome, Watch
from stablenew.backends.http_errors import TROUBLES, no_reply
from stablenew.backends.registry import BackendOptions
from stablenew.backends.webui.backend import open_backend
from stablenew.backends.webui.client import Reply, error_text
from stablenew.backends.webui.sender import Sender
from stablenew.errors import BackendUnavailable, GenerationFailed, InvalidSetting, StableNewError
from stablenew.testing.stub_server import Answer, Fault
from stablenew.testing.stub_webui import StubWebUI

from .webui_desk import asked, desk, outcomes, picture

TXT2IMG = "/sdapi/v1/txt2img"


@pytest.fixture
def stub() -> Iterator[StubWebUI]:
    with StubWebUI() as started:
        yield started


def fault(stub: StubWebUI, kind: Any, **how: Any) -> None:
    stub.faults.append(Fault(path=how.pop("path", TXT2IMG), kind=kind, **how))


def body(value: Any, status: int = 200) -> Answer:
    return Answer(status=status, body=value if isinstance(value, bytes) else json.dumps(value).encode())


def test_every_httpx_exception_is_mapped() -> None:
    """A new exception in httpx fails this test until somebody says what kind of trouble it is."""
    raised = {kind for kind in vars(httpx).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert raised
    assert raised <= set(TROUBLES)


def test_trouble_is_told_without_the_library_s_words() -> None:
    """An exception nobody mapped counts as a lost answer, and its text does not come through."""

    class Newer(httpx.TransportError):
        pass

    told = no_reply(Newer("http://user:secret@host"))
    assert told.trouble == "lost"
    assert "secret" not in told.text


def test_connection_refused_says_what_to_do() -> None:
    """With no server there the error names the address and how to start one."""
    with StubWebUI() as gone:
        backend = desk(gone)
    with pytest.raises(
        BackendUnavailable, match=r"no server answers at http://127.0.0.1:\d+ .*start the WebUI with --api"
    ):
        backend.capabilities()
    with pytest.raises(BackendUnavailable):
        outcomes(backend, [asked()])


def test_a_server_without_the_api_is_told_apart(stub: StubWebUI) -> None:
    """A server that answers but has no WebUI routes is said to be without --api."""
    fault(stub, "status", path="/sdapi/v1/options", answer=body({"detail": "Not Found"}, 404))
    with pytest.raises(BackendUnavailable, match="--api"):
        desk(stub).capabilities()


@pytest.mark.parametrize("kind", ["reset", "drop"])
def test_a_torn_connection_is_tried_once_more(stub: StubWebUI, kind: str) -> None:
    """A connection torn before or inside the answer is followed by one more try, and one picture comes of it."""
    fault(stub, kind)
    made = outcomes(desk(stub), [asked(), asked(seed=2)])
    assert all(isinstance(outcome, GeneratedImage) for outcome in made)
    assert stub.count(TXT2IMG) == 3


def test_a_connection_that_keeps_tearing_fails_that_request_only(stub: StubWebUI) -> None:
    """Torn twice, the request fails; the next is made."""
    fault(stub, "reset", times=2)
    made = outcomes(desk(stub), [asked(), asked(seed=2)])
    assert isinstance(made[0], GenerationFailed)
    assert "connection broke" in str(made[0])
    assert isinstance(made[1], GeneratedImage)


@pytest.mark.parametrize("kind", ["drip", "hang"])
def test_a_time_limit_stops_the_job_before_anything_else_is_sent(stub: StubWebUI, kind: str) -> None:
    """An answer that does not come in time fails its request, names the setting to change, and the next is made."""
    backend = desk(stub, timeout_s=0.3)
    backend.capabilities()
    fault(stub, kind, seconds=0.02 if kind == "drip" else 1.0)
    made = outcomes(backend, [asked(), asked(seed=2)])
    assert isinstance(made[0], GenerationFailed)
    assert "timeout_s" in str(made[0])
    assert isinstance(made[1], GeneratedImage)


def test_a_job_beyond_the_limit_is_interrupted_and_not_sent_again(stub: StubWebUI) -> None:
    """A client that gives up does not end the job: it is interrupted, waited for, and not repeated."""
    stub.mind.step_s = 0.02
    made = outcomes(desk(stub, timeout_s=0.3), [asked(steps=100), asked(steps=2, seed=2)])
    assert isinstance(made[0], GenerationFailed)
    assert isinstance(made[1], GeneratedImage)
    assert (stub.mind.interrupts, stub.mind.made) == (1, 2)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (body(b'{"images": ["iVBOR'), "cannot be understood"),
        (body({"images": ["not base64!"], "info": "{}"}), "not valid base64"),
        (body({"images": [base64.b64encode(b"no picture").decode()], "info": "{}"}), "cannot be decoded"),
        (body({"images": [], "info": ""}), "0 pictures of 1"),
        (body({"images": None}), "0 pictures of 1"),
        (body([1, 2]), "cannot be understood"),
        (body(b""), "cannot be understood"),
        (body(b"\xff\xfe"), "cannot be understood"),
        (body(b"[" * 100_000), "cannot be understood"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(stub: StubWebUI, answer: Answer, said: str) -> None:
    """Truncated JSON, wrong base64, no picture: each an error in words, once, and the next request is made."""
    fault(stub, "garbage", answer=answer)
    made = outcomes(desk(stub), [asked(), asked(seed=2)])
    assert isinstance(made[0], GenerationFailed)
    assert said in str(made[0])
    assert isinstance(made[1], GeneratedImage)
    assert stub.mind.made == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            body({"error": "RuntimeError", "detail": "", "body": "", "errors": "no space"}, 500),
            "RuntimeError: no space",
        ),
        (
            body({"error": "RuntimeError", "detail": "", "body": "", "message": "no space"}, 500),
            "RuntimeError: no space",
        ),
        (
            body({"error": "HTTPException", "detail": "Script not found", "body": "", "errors": ""}, 422),
            "Script not found",
        ),
        (body({"detail": [{"loc": ["body", "steps"], "msg": "not a number"}]}, 422), "steps: not a number"),
        (body({"detail": "Sampler not found"}, 404), "Sampler not found"),
        (body({"error": "NansException", "errors": "A tensor with NaNs was produced in Unet."}, 500), "--no-half"),
        (body({"error": "OutOfMemoryError", "errors": "CUDA out of memory"}, 500), "smaller picture"),
        (body(b"<html>Bad gateway</html>", 502), "HTTP 502: <html>"),
        (body(b"", 404), "HTTP 404"),
    ],
)
def test_each_dialect_of_errors_is_understood(stub: StubWebUI, answer: Answer, said: str) -> None:
    """A1111's, Forge's and the others' error bodies come through in one line with a hint where there is one."""
    fault(stub, "status", answer=answer)
    made = outcomes(desk(stub), [asked(), asked(seed=2)])
    assert isinstance(made[0], GenerationFailed)
    assert said in str(made[0])
    assert "\n" not in str(made[0])
    assert isinstance(made[1], GeneratedImage)


def test_too_many_requests_are_sent_later(stub: StubWebUI) -> None:
    """A 429 is waited out: nothing was done yet, so the same request goes again."""
    stub.faults.append(
        Fault(path=TXT2IMG, kind="status", times=2, answer=Answer(status=429, headers={"Retry-After": "0.05"}))
    )
    assert picture(desk(stub), asked()).deviations == ()
    assert (stub.count(TXT2IMG), stub.mind.made) == (3, 1)


def test_a_server_that_dies_in_the_middle_ends_the_run(stub: StubWebUI) -> None:
    """Killed during the second of three and not back in time: the first is kept, the rest is the backend's absence."""
    fault(stub, "die", after=1)
    got: list[tuple[int, Outcome]] = []
    run = desk(stub).generate([asked(seed=seed) for seed in (1, 2, 3)], Watch())
    with pytest.raises(BackendUnavailable, match="no server answers"):
        got.extend(run)
    assert [(index, type(outcome)) for index, outcome in got] == [(0, GeneratedImage)]


@pytest.mark.parametrize("still_answers", [False, True])
def test_a_server_that_restarts_is_waited_for(
    stub: StubWebUI, monkeypatch: pytest.MonkeyPatch, still_answers: bool
) -> None:
    """Killed and started again, the request it died over is made once more, options pinned anew; also where it still
    said that it is idle while it went down.
    """
    if still_answers:
        monkeypatch.setattr(Sender, "_await_idle", lambda *_: None)
    fault(stub, "die", after=1)
    backend = desk(stub, reconnect_s=20.0)

    def restart() -> None:
        while stub.listening:
            time.sleep(0.01)
        time.sleep(0.2)
        stub.start()

    thread = threading.Thread(target=restart)
    thread.start()
    made = outcomes(backend, [asked(seed=seed) for seed in (1, 2, 3)])
    thread.join()
    assert [outcome.seed for outcome in made if isinstance(outcome, GeneratedImage)] == [1, 2, 3]
    pins = [call for call in stub.calls if call.path == "/sdapi/v1/options" and call.method == "POST"]
    assert len(pins) >= 2  # one more where it went down just after


def test_a_wrong_password_is_said(stub: StubWebUI) -> None:
    """Without or with wrong credentials the error names the environment variable, not the secret."""
    with StubWebUI(user="me", password="right") as closed:
        with pytest.raises(BackendUnavailable, match="STABLENEW_DESK_AUTH"):
            desk(closed).capabilities()
        wrong = open_backend(BackendOptions(name="desk", url=closed.url.replace("//", "//me:wr0ng@")))
        with pytest.raises(BackendUnavailable) as refused:
            wrong.capabilities()
        assert "does not accept" in str(refused.value)
        assert "wr0ng" not in str(refused.value)


def test_settings_of_the_configuration_are_checked() -> None:
    """A setting that does not exist, or has no sense, is refused when the backend is opened."""
    for given_settings in ({"timeout": 5}, {"timeout_s": -1}, {"batch_size": "many"}):
        with pytest.raises(InvalidSetting):
            open_backend(BackendOptions(name="desk", settings=given_settings))
    for url in ("127.0.0.1:7860", "ftp://host", "http://", "http://u:p/w@[bad"):
        with pytest.raises(InvalidSetting):
            open_backend(BackendOptions(name="desk", url=url))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../../etc/passwd", "\x00"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    "name",
    "label",
    "aliases",
    "options",
    "title",
    "hash",
    "filename",
    "model_name",
    "path",
    "loaded",
    "images",
    "info",
    "image",
)
objects = st.dictionaries(st.sampled_from(NAMES), anything, max_size=6)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.sampled_from(
        [
            TXT2IMG,
            "/sdapi/v1/options",
            "/sdapi/v1/samplers",
            "/sdapi/v1/sd-models",
            "/sdapi/v1/loras",
            "/sdapi/v1/embeddings",
            "/sdapi/v1/progress",
            "/openapi.json",
            "/sdapi/v1/scripts",
            "/adetailer/v1/schema",
            "/sdapi/v1/upscalers",
            "/sdapi/v1/schedulers",
            "/sdapi/v1/sd-vae",
            "/internal/progress",
        ]
    ),
    what=anything | objects | st.lists(objects, max_size=3),
    status=st.sampled_from([200, 200, 200, 204, 301, 400, 404, 422, 500]),
)
def test_arbitrary_answers_never_crash_the_client(fuzzed: StubWebUI, where: str, what: Any, status: int) -> None:
    """Any JSON at any route ends in a picture or in an error of ours."""
    answer = Answer(status=status, body=b"" if status == 204 else json.dumps(what).encode())
    fuzzed.faults[:] = [Fault(path=where, kind="status", times=3, answer=answer)]
    backend = desk(fuzzed, idle_wait_s=0.0)
    try:
        for outcome in outcomes(backend, [asked("a <lora:shiny:1>", model="tiny-a")]):
            assert isinstance(outcome, (GeneratedImage, StableNewError))
    except StableNewError:
        pass
    finally:
        backend.close()


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[StubWebUI]:
    with StubWebUI() as started:
        yield started


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_error_body_becomes_one_line(data: bytes, status: int) -> None:
    """Whatever an error body holds, what is shown is one printable line of bounded length."""
    text = error_text(Reply(status=status, body=data))
    assert text.isprintable()
    assert len(text) <= 400
