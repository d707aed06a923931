"""The ComfyUI backend on a server that breaks: each ends in a clear error or in exactly one picture."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from stablenew.backends.base import CancelToken, GeneratedImage, Watch
from stablenew.backends.comfyui.backend import ComfyBackend
from stablenew.errors import BackendUnavailable, Cancelled, GenerationFailed
from stablenew.testing.stub_comfy import StubComfy, StubJob
from stablenew.testing.stub_comfy_http import Fault
from tests.backends.comfy_requests import img2img, open_comfy, outcomes, picture, txt2img


@pytest.fixture
def stub() -> Iterator[StubComfy]:
    with StubComfy() as running:
        yield running


@pytest.fixture
def backend(stub: StubComfy) -> Iterator[ComfyBackend]:
    opened = open_comfy(stub)
    yield opened
    opened.close()


def test_refused_connection_is_told_with_what_to_do(stub: StubComfy) -> None:
    """Where nothing listens, the error names the address and says how to start the server."""
    stub.stop()
    backend = open_comfy(stub)
    with pytest.raises(BackendUnavailable, match=rf"no server answers at {stub.url} .*start ComfyUI"):
        backend.capabilities()
    with pytest.raises(BackendUnavailable, match="no server answers"):
        list(backend.generate([txt2img()], Watch()))
    backend.close()


def test_server_restarted_between_two_calls(stub: StubComfy, backend: ComfyBackend) -> None:
    """A server that worked before and is away at the start of a call is waited for."""
    picture(backend, txt2img())
    stub.stop()
    threading.Timer(0.4, stub.start).start()
    picture(backend, txt2img())


def test_server_gone_between_two_calls(stub: StubComfy) -> None:
    """A server that worked before and does not come back within the time set for it ends the call."""
    backend = open_comfy(stub, restart_wait_s=0.3)
    picture(backend, txt2img())
    stub.stop()
    with pytest.raises(BackendUnavailable, match="no server answers"):
        list(backend.generate([txt2img()], Watch()))
    backend.close()


@pytest.mark.parametrize("kind", ["reset", "cut"])
@pytest.mark.parametrize("path", ["/history", "/view", "/queue"])
def test_broken_answers_are_asked_for_again(stub: StubComfy, backend: ComfyBackend, kind: str, path: str) -> None:
    """A connection that breaks while something is read costs nothing: it is read again, and no job is made twice."""
    backend.capabilities()
    stub.silent = True
    stub.job_s = 0.2
    stub.faults.append(Fault(path=path, kind=kind, times=2))  # type: ignore[arg-type]  # one of the literals
    assert all(isinstance(made, GeneratedImage) for made in outcomes(backend, [txt2img(1), txt2img(2)]))
    assert not stub.faults
    assert len(stub.executed) == 2


def test_a_lost_answer_to_a_submission_makes_no_second_job(stub: StubComfy, backend: ComfyBackend) -> None:
    """A job whose acceptance was never answered is found by its id instead of being handed over again."""
    stub.faults.append(Fault(path="/prompt", kind="act_and_reset"))
    assert all(isinstance(made, GeneratedImage) for made in outcomes(backend, [txt2img(1), txt2img(2)]))
    assert len(stub.executed) == 2
    assert len(stub.saved) == 2


def test_a_submission_that_never_arrived_is_made_once_more(stub: StubComfy, backend: ComfyBackend) -> None:
    """A job that broke on its way in is noticed to be missing and handed over again, once."""
    stub.faults.append(Fault(path="/prompt", kind="reset"))
    picture(backend, txt2img())
    assert len(stub.executed) == 1


@pytest.mark.parametrize(
    "body", [b'{"7', b"<html>nginx</html>", b"", b"null", b"[1, 2]", b'{"prompt_id": 5}', b'"\xff"']
)
def test_nonsense_in_answer_to_a_submission_fails_that_picture_alone(
    stub: StubComfy, backend: ComfyBackend, body: bytes
) -> None:
    """An answer to a submission that makes no sense fails that picture; the next one is made."""
    stub.faults.append(Fault(path="/prompt", kind="answer", body=body))
    first, second = outcomes(backend, [txt2img(1), txt2img(2)])
    assert isinstance(first, GenerationFailed)
    assert isinstance(second, GeneratedImage)


def test_nonsense_while_polling_is_outlived(stub: StubComfy, backend: ComfyBackend) -> None:
    """Truncated JSON and errors while polling are asked again; the picture comes."""
    stub.faults.append(Fault(path="/history", kind="answer", body=b'{"a": {"sta', times=3))
    stub.faults.append(Fault(path="/queue", kind="answer", status=500, body=b"500 Internal Server Error", times=2))
    picture(backend, txt2img())
    assert len(stub.executed) == 1


def test_nonsense_for_ever_ends_the_call(stub: StubComfy) -> None:
    """A server that never again answers sensibly is given up after the time set for it."""
    backend = open_comfy(stub, restart_wait_s=0.3)
    stub.faults.append(Fault(path="/history", kind="answer", body=b"?", times=10_000))
    with pytest.raises(BackendUnavailable, match="is not JSON"):
        list(backend.generate([txt2img()], Watch()))
    backend.close()


def test_too_many_requests_is_waited_out(stub: StubComfy, backend: ComfyBackend) -> None:
    """429 is no failure: the call is made again after the time the server names."""
    answer: dict[str, Any] = {"status": 429, "headers": {"Retry-After": "0"}}
    for path in ("/prompt", "/history", "/view"):
        stub.faults.append(Fault(path=path, kind="answer", times=2, **answer))
    picture(backend, txt2img())
    assert not stub.faults
    assert len(stub.executed) == 1


@pytest.mark.parametrize("status", [500, 400])
def test_refusal_says_the_servers_reason(stub: StubComfy, backend: ComfyBackend, status: int) -> None:
    """A refused job carries the server's own words, on one line."""
    stub.faults.append(Fault(path="/prompt", kind="answer", status=status, body=b"Server got\nitself in trouble"))
    (made,) = outcomes(backend, [txt2img()])
    assert isinstance(made, GenerationFailed)
    assert f"status {status}): Server got itself in trouble" in str(made)


def test_slow_drip_is_read_to_the_end(stub: StubComfy, backend: ComfyBackend) -> None:
    """A picture that comes in small parts is complete."""
    stub.faults.append(Fault(path="/view", kind="drip", seconds=0.001))
    picture(backend, txt2img())


def test_endless_drip_is_cut_off(stub: StubComfy) -> None:
    """A trickle without end is cut off although every part comes in time; the job is tried once more."""
    backend = open_comfy(stub, timeout_s=0.2)
    backend.capabilities()
    stub.faults.append(Fault(path="/view", kind="drip", seconds=0.1))
    picture(backend, txt2img())
    assert len(stub.executed) > 1
    backend.close()


def test_hanging_server_times_out(stub: StubComfy) -> None:
    """A server that takes a job's poll and says nothing is asked again, not waited for without end."""
    backend = open_comfy(stub, timeout_s=0.5)
    backend.capabilities()
    stub.faults.append(Fault(path="/history", kind="hang", seconds=1.0))
    picture(backend, txt2img())
    assert len(stub.executed) == 1
    backend.close()


def test_restart_in_the_middle_makes_each_picture_once(stub: StubComfy) -> None:
    """After a restart the forgotten jobs are made again: one outcome and one picture for each request."""
    stub.step_s = 0.03
    backend = open_comfy(stub, depth=3)
    restarted = threading.Event()

    def restart_once(report: object) -> None:
        if not restarted.is_set():
            restarted.set()
            threading.Thread(target=lambda: stub.restart(away_s=0.3)).start()

    made = outcomes(backend, [txt2img(seed) for seed in range(5)], Watch(progress=restart_once))
    assert restarted.is_set()
    assert [each.seed for each in made if isinstance(each, GeneratedImage)] == [0, 1, 2, 3, 4]
    assert len({each.picture for each in made if isinstance(each, GeneratedImage)}) == 5
    backend.close()


def test_restart_is_noticed_without_a_websocket(stub: StubComfy) -> None:
    """Without any event, a server that forgot its jobs is found out by asking."""
    stub.silent, stub.step_s = True, 0.1
    stub.faults.append(Fault(path="/ws", kind="reset", times=10_000))
    backend = open_comfy(stub)
    timer = threading.Timer(0.15, stub.restart)
    backend.capabilities()
    timer.start()
    made = outcomes(backend, [txt2img(1), txt2img(2), txt2img(3)])
    timer.join()
    assert all(isinstance(each, GeneratedImage) for each in made)
    backend.close()


def test_a_job_lost_twice_is_an_error(stub: StubComfy, backend: ComfyBackend) -> None:
    """A request that takes the server down each time is tried twice, not for ever; who waited behind it is made."""
    crashes = []

    def crash(job: StubJob, node_id: str) -> None:
        if job.graph[node_id]["class_type"] == "KSampler" and job.graph[node_id]["inputs"]["seed"] == 13:
            crashes.append(job.prompt_id)
            threading.Thread(target=stub.restart).start()
            time.sleep(0.2)

    stub.before_node = crash
    bad, good = outcomes(backend, [txt2img(13), txt2img(14)])
    assert isinstance(bad, GenerationFailed)
    assert "lost the job again" in str(bad)
    assert isinstance(good, GeneratedImage)
    assert len(crashes) == 2


def test_a_server_that_stays_away_raises(stub: StubComfy) -> None:
    """A server that does not come back within the time set for it ends the call; what was made before is kept."""
    stub.step_s = 0.02
    backend = open_comfy(stub, restart_wait_s=0.5)
    running = backend.generate([txt2img(seed) for seed in range(4)], Watch())
    _, first = next(running)
    stub.stop()
    assert isinstance(first, GeneratedImage)
    with pytest.raises(BackendUnavailable, match="no server answers"):
        list(running)
    backend.close()


def test_a_job_deleted_by_somebody_else_is_an_error(stub: StubComfy) -> None:
    """A waiting job that vanishes from the queue is said to have been removed, and is not made all the same."""
    stub.step_s = 0.05
    backend = open_comfy(stub, depth=3)

    def delete_waiting(report: object) -> None:
        stub.post_queue({"clear": True})

    first, *others = outcomes(backend, [txt2img(seed) for seed in range(3)], Watch(progress=delete_waiting))
    assert isinstance(first, GeneratedImage)
    assert all("removed from the server's queue" in str(each) for each in others)
    assert len(stub.executed) == 1
    backend.close()


def test_a_job_interrupted_by_somebody_else_is_an_error(stub: StubComfy, backend: ComfyBackend) -> None:
    """An interrupt from the server's own window ends one picture with a reason; the next is made."""
    stub.step_s = 0.05
    done = []

    def interrupt_once(report: object) -> None:
        if not done:
            done.append(report)
            stub.post_interrupt(None)

    first, second = outcomes(backend, [txt2img(1), txt2img(2)], Watch(progress=interrupt_once))
    assert isinstance(first, GenerationFailed)
    assert "interrupted on the server by somebody else" in str(first)
    assert isinstance(second, GeneratedImage)


@pytest.mark.parametrize("old", [False, True])
def test_cancel_ends_our_jobs_and_only_ours(old: bool) -> None:
    """Cancelling interrupts our running job and deletes our waiting ones; a stranger's jobs are left alone."""
    with StubComfy(step_s=0.05, old=old) as stub:
        backend = open_comfy(stub, depth=3)
        token = CancelToken()
        theirs = _foreign_job(stub)
        begun: set[str] = set()
        stub.before_node = lambda job, node_id: begun.add(job.prompt_id)
        watch = Watch(cancel=token, progress=lambda _: token.cancel())
        made = outcomes(backend, [txt2img(seed) for seed in range(4)], watch)
        assert [type(each) for each in made] == [Cancelled] * 4
        assert stub.wait_until(lambda: not stub.get_queue()["queue_running"])
        assert not stub.get_queue()["queue_pending"]
        assert stub.executed == [theirs]
        assert len(begun) == 2
        backend.close()


def test_an_interrupt_names_its_job(stub: StubComfy, backend: ComfyBackend) -> None:
    """Should a stranger's job run by the time our interrupt arrives, it goes on: the interrupt names ours."""
    stub.step_s = 0.1
    theirs = _foreign_job(stub)
    assert stub.wait_until(lambda: bool(stub.get_queue()["queue_running"]))
    token = CancelToken()
    running = backend.generate([txt2img(1)], Watch(cancel=token))
    true_queue = stub.get_queue

    def late_queue() -> dict[str, Any]:
        queue = true_queue()
        return {"queue_running": [*queue["queue_running"], *queue["queue_pending"]], "queue_pending": []}

    stub.get_queue = late_queue  # type: ignore[method-assign]  # the server's answer is out of date
    stub.post_queue = lambda body: None  # type: ignore[method-assign]  # and a deletion comes too late
    threading.Timer(0.1, token.cancel).start()
    assert [type(outcome) for _, outcome in running] == [Cancelled]
    assert any(path == "/interrupt" for _, path, _ in stub.requests)
    assert stub.wait_until(lambda: theirs in stub.executed)


def test_cancel_while_a_strangers_job_runs_leaves_it(stub: StubComfy, backend: ComfyBackend) -> None:
    """While ours only wait behind a stranger's job, cancelling deletes ours and the stranger's goes on."""
    stub.step_s = 0.1
    theirs = _foreign_job(stub)
    assert stub.wait_until(lambda: bool(stub.get_queue()["queue_running"]))
    token = CancelToken()
    threading.Timer(0.1, token.cancel).start()
    made = outcomes(backend, [txt2img(1), txt2img(2)], Watch(cancel=token))
    assert [type(each) for each in made] == [Cancelled, Cancelled]
    assert stub.wait_until(lambda: stub.executed == [theirs])


def test_stop_finishes_what_is_being_made(stub: StubComfy) -> None:
    """Asked to stop, the picture being made is finished and the waiting ones are taken back."""
    stub.step_s = 0.05
    backend = open_comfy(stub, depth=3)
    token = CancelToken()
    first, *others = outcomes(
        backend, [txt2img(seed) for seed in range(5)], Watch(cancel=token, progress=lambda _: token.stop())
    )
    assert isinstance(first, GeneratedImage)
    assert [type(each) for each in others] == [Cancelled] * 4
    assert len(stub.executed) == 1
    backend.close()


def test_an_abandoned_call_leaves_nothing_behind(stub: StubComfy) -> None:
    """Whoever walks away from `generate` leaves no job of ours on the server."""
    stub.step_s = 0.05
    backend = open_comfy(stub, depth=4)
    running = backend.generate([txt2img(seed) for seed in range(6)], Watch())
    next(running)
    running.close()
    queue = stub.get_queue()
    assert queue == {"queue_running": [], "queue_pending": []}
    backend.close()


def test_a_job_that_runs_too_long_is_stopped(stub: StubComfy) -> None:
    """A job past its time limit is interrupted on the server and fails with that reason."""
    stub.job_s = 30.0
    backend = open_comfy(stub, job_timeout_s=0.2)
    (made,) = outcomes(backend, [txt2img()])
    assert isinstance(made, GenerationFailed)
    assert "more than 0.2 s" in str(made)
    assert stub.wait_until(lambda: not stub.get_queue()["queue_running"])
    backend.close()


def test_a_node_that_fails_is_told_with_its_reason(stub: StubComfy, backend: ComfyBackend) -> None:
    """An exception on the server is a failure naming node, exception and text; the neighbours are made."""
    broken = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(broken, "PNG")
    request = img2img()

    def spoil(job: StubJob, node_id: str) -> None:
        if job.graph[node_id]["class_type"] == "LoadImage" and len(stub.executed) == 0:
            stub.uploads[job.graph[node_id]["inputs"]["image"]] = b"not a picture"
            stub.before_node = None

    stub.before_node = spoil
    first, second = outcomes(backend, [request, img2img(Image.new("RGB", (64, 64), "navy"))])
    assert isinstance(first, GenerationFailed)
    assert "(LoadImage): PIL.UnidentifiedImageError: cannot identify image file" in str(first)
    assert isinstance(second, GeneratedImage)


def test_node_errors_with_200_are_a_failure(stub: StubComfy, backend: ComfyBackend) -> None:
    """A job that the server accepts while skipping a part of it is taken back, and the part is named."""
    accepted = b'{"prompt_id": "1f", "number": 1, "node_errors": {"10": {"class_type": "SaveImage", "errors": '
    accepted += b'[{"type": "x", "message": "Exception when validating node", "details": "\'99\'"}]}}}'
    stub.faults.append(Fault(path="/prompt", kind="answer", body=accepted))
    (made,) = outcomes(backend, [txt2img()])
    assert isinstance(made, GenerationFailed)
    assert "node 10 (SaveImage): Exception when validating node '99'" in str(made)
    assert ("POST", "/queue", {"delete": ["1f"]}) in stub.requests


def _foreign_job(stub: StubComfy) -> str:
    """A job somebody else handed over; its id."""
    graph = {
        "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "stub-model.safetensors"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "theirs", "clip": ["2", 1]}},
        "4": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["2", 0],
                "positive": ["3", 0],
                "negative": ["3", 0],
                "latent_image": ["1", 0],
                "seed": 1,
                "steps": 4,
                "cfg": 7.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
            },
        },
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["2", 2]}},
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "theirs"}},
    }
    status, answer = stub.post_prompt({"prompt": graph, "client_id": "somebody"})
    assert status == 200
    return str(answer["prompt_id"])
