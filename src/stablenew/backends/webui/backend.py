"""The backend for servers of the WebUI family: A1111, Forge, reForge, SD.Next and stable-diffusion.cpp.

Every name is checked before anything is sent, one request is in flight, and every answer is verified: what is yielded
says what was done, not what was asked. How each part is done stands in the modules `webui_*`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from stablenew.backends.base import (
    CancelToken,
    Capabilities,
    GeneratedImage,
    Outcome,
    StageRequest,
    Txt2ImgRequest,
    Watch,
)
from stablenew.backends.credentials import find_credential, split_url
from stablenew.backends.http_errors import NoReply
from stablenew.backends.registry import BackendOptions
from stablenew.backends.webui.answer import PictureAnswer, PictureSaid, read_picture
from stablenew.backends.webui.choice import Choice, choose, sampling_of
from stablenew.backends.webui.client import Reply, TimeLimits, WebUIClient, decode
from stablenew.backends.webui.flavour import ServerFacts, read_server
from stablenew.backends.webui.overseer import Overseer
from stablenew.backends.webui.payload import PINNED_OPTIONS, build, override_settings, route
from stablenew.backends.webui.progress import read_state
from stablenew.backends.webui.sender import Finished, Job, Patience, Sender
from stablenew.backends.webui.settings import WebUISettings, read_settings
from stablenew.backends.webui.verify import Made, verified
from stablenew.config import SERVER_EXTRAS, STAGES
from stablenew.errors import BackendUnavailable, Cancelled, GenerationFailed, StableNewError, UnknownChoice
from stablenew.log import get_logger
from stablenew.variant import Deviation

DEFAULT_URL = "http://127.0.0.1:7860"
_LEAKY = ("A1111", "Forge", "reForge")
"""Flavours that do not restore an overridden option their config.json does not hold."""
_STALE_S = 5.0

log = get_logger("stablenew.backends")


class WebUIBackend:
    """One server. Cheap to make: the server is first asked by `capabilities`, `check` or `generate`."""

    def __init__(self, *, name: str, client: WebUIClient, model: str | None, settings: WebUISettings) -> None:
        self._name, self._client, self._model, self._settings = name, client, model, settings
        self._facts: ServerFacts | None = None
        self._facts_at = 0.0
        self._pinned = False
        self._own_options: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The name it is configured under."""
        return self._name

    def capabilities(self) -> Capabilities:
        """What the server has; asks it the first time. Raises BackendUnavailable."""
        facts = self._connected()
        return Capabilities(
            stages=frozenset(STAGES),
            version=f"{facts.flavour} {facts.version}".strip(),
            samplers=tuple(entry.name for entry in facts.samplers or ()),
            schedulers=tuple(entry.name for entry in facts.schedulers or ()),
            models=tuple(entry.name.rpartition(" [")[0] or entry.name for entry in facts.models or ()),
            vaes=tuple(entry.name for entry in facts.vaes or ()),
            upscalers=facts.upscalers or () if facts.extras else (),
            adetailer_models=facts.adetailer_models or (),
            extras=_extras(facts),
            window=self._settings.window,
        )

    def check(self, request: StageRequest) -> None:
        """Return when every name and size of the request exists on the server. Raises as the protocol says."""
        self._choice(request)

    def batch_key(self, request: StageRequest) -> Hashable:
        """Requests of one model and VAE go together: a server loads a model for minutes."""
        return (request.stage, request.model, request.vae)

    def generate(self, requests: Sequence[StageRequest], watch: Watch) -> Iterator[tuple[int, Outcome]]:
        """Yield each outcome as its answer arrives. Raises BackendUnavailable when the server is gone."""
        if not requests:
            return
        if watch.cancel.stopping:
            yield from ((index, Cancelled()) for index in range(len(requests)))
            return
        choices: dict[int, Choice] = {}
        for index, request in enumerate(requests):
            try:
                choices[index] = self._choice(request)
            except BackendUnavailable:
                raise
            except StableNewError as exc:
                yield index, exc
        if choices:
            yield from self._run(requests, choices, watch)

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._client.close()

    def _connected(self) -> ServerFacts:
        if self._facts is None:
            self._facts = read_server(self._client)
            self._facts_at = time.monotonic()
        return self._facts

    def _choice(self, request: StageRequest) -> Choice:
        """The request in the server's names; before a name is refused, lists that are old are read again."""
        try:
            return choose(request, self._connected(), self._name, self._model)
        except UnknownChoice:
            if time.monotonic() - self._facts_at < _STALE_S:
                raise
        self._facts = None
        return choose(request, self._connected(), self._name, self._model)

    def _run(
        self, requests: Sequence[StageRequest], choices: dict[int, Choice], watch: Watch
    ) -> Iterator[tuple[int, Outcome]]:
        facts = self._connected()
        if not self._pinned:
            self._pin_options(watch.cancel)
        sender = Sender(
            self._client,
            facts,
            [self._job(requests, choices, indices) for indices in self._batches(requests, choices)],
            cancel=watch.cancel,
            patience=Patience(reconnect_s=self._settings.reconnect_s, idle_s=self._settings.idle_wait_s),
            prepare=lambda: self._pin_options(watch.cancel),
        )
        left = set(choices)
        overseer = Overseer(self._client, facts, sender, self._settings, watch)
        sender.start()
        try:
            while left and not overseer.given_up:
                finished = sender.next(overseer.tick_s)
                overseer.look()
                if finished is None:
                    continue
                for index, outcome in self._outcomes(requests, choices, finished, overseer.stopped(finished.job)):
                    left.discard(index)
                    if isinstance(outcome, GeneratedImage):
                        overseer.complete(finished.job)
                    yield index, outcome
        finally:
            sender.abandon()
            if any(self._overrides(requests[index], choices[index], facts) for index in choices):
                self._mend_leaks(facts)
        yield from ((index, Cancelled()) for index in sorted(left))

    def _overrides(self, request: StageRequest, choice: Choice, facts: ServerFacts) -> bool:
        """Whether the request takes any option otherwise than the server has it."""
        asked = override_settings(request, choice, facts)
        return any(asked.get(name, own) != own for name, own in self._own_options.items())

    def _job(self, requests: Sequence[StageRequest], choices: dict[int, Choice], indices: tuple[int, ...]) -> Job:
        request, choice, facts = requests[indices[0]], choices[indices[0]], self._connected()

        def body(task_id: str) -> dict[str, Any]:
            return build(request, choice, facts, task_id=task_id, batch=len(indices))

        steps = sampling_of(request).steps or 1
        return Job(indices=indices, what=request.stage, path=route(request), steps=steps, body=body)

    def _batches(self, requests: Sequence[StageRequest], choices: dict[int, Choice]) -> list[tuple[int, ...]]:
        """The positions of `requests` by the request that will make them: consecutive seeds of one txt2img together."""
        batches: list[tuple[int, ...]] = []
        for index in choices:
            last = batches[-1] if batches else ()
            if last and len(last) < self._settings.batch_size and _follows(requests[last[-1]], requests[index]):
                batches[-1] = (*last, index)
            else:
                batches.append((index,))
        return batches

    def _outcomes(
        self, requests: Sequence[StageRequest], choices: dict[int, Choice], finished: Finished, stopped: bool
    ) -> Iterator[tuple[int, Outcome]]:
        """What a finished job means for each of its requests."""
        answer, indices = finished.outcome, finished.job.indices
        if isinstance(answer, BackendUnavailable):
            raise answer
        if isinstance(answer, StableNewError) or stopped:
            failure = answer if isinstance(answer, StableNewError) else Cancelled()
            yield from ((index, failure) for index in indices)
            return
        self._learn_version(answer)
        seconds = finished.seconds / len(indices)
        for position, index in enumerate(indices):
            yield index, self._picture(requests[index], choices[index], answer, position, finished, seconds)

    def _picture(
        self,
        request: StageRequest,
        choice: Choice,
        answer: PictureAnswer,
        position: int,
        finished: Finished,
        seconds: float,
    ) -> Outcome:
        """The picture at `position` behind the grids, verified; the error when there is none or it cannot be read."""
        images, wanted = answer.images[answer.said.first :], len(finished.job.indices)
        if position >= len(images):
            text = f"{request.stage} on {self._client.url}: the answer holds {len(images)} pictures of {wanted}"
            return GenerationFailed(self._name, text)
        read = read_picture(images[position])
        if isinstance(read, NoReply):
            return GenerationFailed(self._name, f"{request.stage} on {self._client.url}: {read.text}")
        said = answer.said.pictures
        made = Made(
            request=request,
            choice=choice,
            seed=request.seed,
            data=read[0],
            pixels=read[1],
            said=answer.said,
            picture=said[position] if position < len(said) else PictureSaid(),
            seconds=seconds,
            unfinished=finished.unfinished,
        )
        picture = verified(made, self._connected(), self._name)
        if position == 0 and len(images) > wanted and not choice.scripts:
            extra = Deviation(setting="images", asked=wanted, done=len(images), detail="the others are left out")
            return dataclasses.replace(picture, deviations=(*picture.deviations, extra))
        return picture

    def _learn_version(self, answer: PictureAnswer) -> None:
        """Keep the version a picture came with: A1111 and Forge say it nowhere else."""
        version = answer.said.version
        if version and self._facts is not None and not self._facts.version:
            self._facts = dataclasses.replace(self._facts, version=version[:64])

    def _pin_options(self, cancel: CancelToken) -> None:
        """Write the server's own value of every option we override into its configuration, once per connection.

        A1111 v1.10.1 and Forge f2.0.1 restore an overridden option after a request only when config.json holds it; any
        other leaks into everybody's later requests. Posting the value it has anyway is the cure, and outlives a crash
        of ours. It is done while nothing runs, lest we write down what a stranger's request overrides just now.
        """
        facts = self._connected()
        self._pinned = True
        if facts.flavour not in _LEAKY:
            return
        deadline = time.monotonic() + self._settings.idle_wait_s
        while time.monotonic() <= deadline and not cancel.stopping:
            options = self._client.listing("/sdapi/v1/options", dict[str, Any]) if self._idle(facts) else None
            if options is not None and self._idle(facts):
                self._own_options = {name: options[name] for name in PINNED_OPTIONS if name in options}
                self._post_options(self._own_options)
                self._facts = dataclasses.replace(facts, options=options)
                return
            cancel.wait(facts.poll_s)
        log.warning("options not pinned: the server is busy", backend=self._name, url=self._client.url)

    def _mend_leaks(self, facts: ServerFacts) -> None:
        """Give the server back what it did not restore by itself, should an option have resisted being pinned."""
        if not self._own_options or not self._idle(facts):
            return
        answer = self._client.get("/sdapi/v1/options")
        options = decode(answer, dict[str, Any]) if isinstance(answer, Reply) and answer.ok else None
        if isinstance(options, dict) and self._idle(facts):
            self._post_options({name: own for name, own in self._own_options.items() if options.get(name) != own})

    def _idle(self, facts: ServerFacts) -> bool:
        state = read_state(self._client, facts)
        return state is None or not state.busy

    def _post_options(self, options: dict[str, Any]) -> None:
        if not options:
            return
        answer = self._client.post("/sdapi/v1/options", options, timeout_s=self._client.limits.options_s)
        if not (isinstance(answer, Reply) and answer.ok):
            why = answer.text if isinstance(answer, NoReply) else self._client.reason(answer)
            log.warning("options not pinned: they may leak", backend=self._name, url=self._client.url, why=why)


def open_backend(options: BackendOptions) -> WebUIBackend:
    """The server at `options.url`, or at the usual local address. Raises InvalidSetting or InputError."""
    settings = read_settings(options.name, options.settings)
    if options.pooled and "reconnect_s" not in options.settings:
        settings = dataclasses.replace(settings, reconnect_s=0.0)
    url, in_url = split_url(options.url or DEFAULT_URL)
    credential = find_credential(options.name, in_url=in_url, workspace=options.workspace)
    limits = TimeLimits(
        connect_s=settings.connect_timeout_s,
        list_s=settings.list_timeout_s,
        options_s=settings.options_timeout_s,
        picture_s=settings.timeout_s,
    )
    client = WebUIClient(name=options.name, url=url, credential=credential, limits=limits)
    return WebUIBackend(name=options.name, client=client, model=options.model, settings=settings)


def _follows(first: StageRequest, second: StageRequest) -> bool:
    """Whether `second` is `first` with the next seed."""
    if not (isinstance(first, Txt2ImgRequest) and isinstance(second, Txt2ImgRequest)):
        return False
    return second == dataclasses.replace(first, seed=first.seed + 1)


def _extras(facts: ServerFacts) -> frozenset[str]:
    """Which of the settings that only some servers know this one does."""
    if facts.flavour == "sd.cpp":
        return frozenset()
    missing = {"adetailer_model", "adetailer_options"} if facts.adetailer_models is None else set()
    return frozenset(SERVER_EXTRAS) - missing
