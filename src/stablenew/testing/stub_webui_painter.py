"""A painter for a stub of a WebUI that is a backend of ours, such as the one with the embedded model."""

from __future__ import annotations

import threading

from PIL import Image

from stablenew.backends.base import Backend, GeneratedImage, Img2ImgRequest, StageRequest, Txt2ImgRequest, Watch
from stablenew.backends.picture import read_pixels
from stablenew.config import Img2ImgSettings, Txt2ImgSettings
from stablenew.testing.stub_webui_mind import Order, Paint


def painted_by(backend: Backend) -> Paint:
    """A `Paint` that asks `backend`, one picture at a time. It raises whatever error took the picture's place."""
    lock = threading.Lock()

    def paint(order: Order) -> Image.Image:
        with lock:
            outcome = next(outcome for _, outcome in backend.generate([_request(order)], Watch()))
        if not isinstance(outcome, GeneratedImage):
            raise outcome
        return read_pixels(outcome.picture, backend.name)

    return paint


def _request(order: Order) -> StageRequest:
    asked = order.asked
    sampling = {name: asked[name] for name in ("sampler", "steps", "cfg_scale")}
    if order.start is None:
        width, height = order.size
        settings = Txt2ImgSettings(width=width, height=height, **sampling)
        return Txt2ImgRequest(
            prompt=asked["prompt"], negative_prompt=asked["negative_prompt"], seed=order.seed, settings=settings
        )
    return Img2ImgRequest(
        prompt=asked["prompt"],
        negative_prompt=asked["negative_prompt"],
        seed=order.seed,
        settings=Img2ImgSettings(denoise=order.denoise, scheduler="Automatic", **sampling),
        image=order.start,
    )
