"""Pictures from a loaded model: several in one forward pass, each from its own seed, prompt and guidance."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from stablenew.backends.base import StepProgress, Watch
from stablenew.backends.diffusers_local.jobs import Job, padded
from stablenew.backends.diffusers_local.loading import LoadedModel
from stablenew.backends.diffusers_local.samplers import Sampling, check_for_model, schedule_name
from stablenew.backends.diffusers_local.schedulers import generator, make_scheduler, seed_noise
from stablenew.errors import InvalidSetting

_KEPT_TEXTS = 256
_CPU_PIXELS = 16 * 64 * 64
_GPU_BYTES_PER_PIXEL = 8_000
_MOST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture as it was drawn, padding included; None when the model's answer was no number (NaN)."""

    image: Image.Image | None
    scheduler: str
    scheduler_class: str


class Painter:
    """Draws with one loaded model; keeps its samplers and the texts it has read."""

    def __init__(self, model: LoadedModel, *, most: int | None = None) -> None:
        self.model = model
        self._most = most or _MOST
        self._pixels: int | None = None
        self._schedulers: dict[Sampling, Any] = {}
        self._texts: OrderedDict[tuple[str, int, bool], tuple[torch.Tensor, torch.Tensor]] = OrderedDict()
        self.read_of = lru_cache(maxsize=_KEPT_TEXTS)(self._read_of)

    def room(self, width: int, height: int) -> int:
        """How many pictures of this size to draw at once."""
        return max(1, min(self._most, self._pixel_budget() // (width * height)))

    def shrink(self, batch: Sequence[Job]) -> None:
        """Memory was too small for `batch`: draw at most half as much at once from now on."""
        pixels = sum((job.width or 0) * (job.height or 0) for job in batch)
        self._pixels = min(self._pixel_budget(), pixels // 2)
        self.forget()

    def draw(self, batch: Sequence[Job], watch: Watch) -> list[Drawing]:
        """Draw all of `batch`, whose recipes agree, in one forward pass. Raises Cancelled once `watch` says so."""
        recipe = batch[0].recipe
        check_for_model(recipe.sampling, recipe.steps, self.model.scheduler)
        if recipe.clip_skip > self.model.text_layers:
            raise InvalidSetting("clip_skip", recipe.clip_skip, f"from 1 to {self.model.text_layers} with this model")
        scheduler = self._scheduler(recipe.sampling)
        seed_noise(scheduler, [job.request.seed for job in batch])
        pipeline = self.model.txt2img if recipe.denoise is None else self.model.img2img
        pipeline.register_modules(scheduler=scheduler)
        with torch.inference_mode():
            call = self._texts_of(batch) | self._call(batch)
            steps = _Steps(batch, watch)
            pixels = pipeline(**call, callback_on_step_end=steps, callback_on_step_end_tensor_inputs=[]).images
        schedule, kind = schedule_name(recipe.sampling, scheduler.config), recipe.sampling.scheduler_class
        return [Drawing(image=_picture(one), scheduler=schedule, scheduler_class=kind) for one in pixels]

    def forget(self) -> None:
        """Give back memory that is only kept for speed."""
        self._texts.clear()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Give back the model's memory; nothing can be drawn afterwards."""
        cuda = self.model.device.type == "cuda"
        self._texts.clear()
        self._schedulers.clear()
        del self.model
        if cuda:
            torch.cuda.empty_cache()

    def _pixel_budget(self) -> int:
        if self._pixels is not None:
            return self._pixels
        if self.model.device.type != "cuda":
            return _CPU_PIXELS
        free, _ = torch.cuda.mem_get_info(self.model.device)
        return int(free * 0.8) // _GPU_BYTES_PER_PIXEL

    def _call(self, batch: Sequence[Job]) -> dict[str, Any]:
        first = batch[0]
        call: dict[str, Any] = {
            "num_inference_steps": first.recipe.steps,
            "guidance_scale": self._guidance(batch),
            "generator": [generator(job.request.seed) for job in batch],
            "output_type": "np",
        }
        if first.recipe.denoise is None:
            return call | {"width": padded(first.width or 0), "height": padded(first.height or 0)}
        return call | {"image": [job.start for job in batch], "strength": first.recipe.denoise}

    def _guidance(self, batch: Sequence[Job]) -> float | torch.Tensor:
        if not self.model.each_its_guidance:
            return batch[0].recipe.cfg_scale
        scales = torch.tensor([job.recipe.cfg_scale for job in batch], dtype=self.model.dtype)
        return scales.to(self.model.device).reshape(-1, 1, 1, 1)

    def _texts_of(self, batch: Sequence[Job]) -> dict[str, Any]:
        """The prompts as the pipeline takes them, each encoded alone so that its company cannot touch it."""
        clip_skip = batch[0].recipe.clip_skip
        said = [self._text(job.request.prompt, clip_skip, negative=False) for job in batch]
        call = {"prompt_embeds": torch.cat([words for words, _ in said])}
        if self.model.xl:
            call["pooled_prompt_embeds"] = torch.cat([pooled for _, pooled in said])
        if not (batch[0].recipe.guided and self.model.each_its_guidance):
            return call
        unsaid = [self._text(job.request.negative_prompt, clip_skip, negative=True) for job in batch]
        call["negative_prompt_embeds"] = torch.cat([words for words, _ in unsaid])
        if self.model.xl:
            call["negative_pooled_prompt_embeds"] = torch.cat([pooled for _, pooled in unsaid])
        return call

    def _text(self, text: str, clip_skip: int, *, negative: bool) -> tuple[torch.Tensor, torch.Tensor]:
        zeros = negative and not text and self.model.xl and self.model.txt2img.config.force_zeros_for_empty_prompt
        key = (text, clip_skip, zeros)
        if key not in self._texts:
            self._texts[key] = self._encode(text, clip_skip, zeros=zeros)
            if len(self._texts) > _KEPT_TEXTS:
                self._texts.popitem(last=False)
        self._texts.move_to_end(key)
        return self._texts[key]

    def _encode(self, text: str, clip_skip: int, *, zeros: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Text embeddings [1, tokens, width], and for XL the pooled one [1, width]."""
        if not self.model.xl and clip_skip > 1:
            return self._earlier_layer(text, clip_skip), torch.empty(0)
        encoded = self.model.txt2img.encode_prompt(
            prompt=text,
            device=self.model.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
            clip_skip=clip_skip - 2 if clip_skip > 2 else None,  # for XL, which starts at the last layer but one
        )
        words: torch.Tensor = encoded[0]
        pooled: torch.Tensor = encoded[2] if self.model.xl else torch.empty(0)
        return (words * 0, pooled * 0) if zeros else (words, pooled)

    def _earlier_layer(self, text: str, clip_skip: int) -> torch.Tensor:
        """Text embeddings from `clip_skip` layers before the end, 1 being the last, through the last norm.

        Diffusers 0.42 looks for them in `text_encoder.text_model`, which transformers 5 no longer has.
        """
        tokenizer, encoder = self.model.txt2img.tokenizer, self.model.txt2img.text_encoder
        length = tokenizer.model_max_length
        tokens = tokenizer(text, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        layers = encoder(tokens.input_ids.to(self.model.device), output_hidden_states=True).hidden_states
        words: torch.Tensor = getattr(encoder, "text_model", encoder).final_layer_norm(layers[-clip_skip])
        return words

    def _read_of(self, text: str) -> str:
        """What of `text` the model reads: all, or as much as there is room for."""
        tokenizer = self.model.txt2img.tokenizer
        ids = tokenizer(text, truncation=False, verbose=False).input_ids
        if len(ids) <= tokenizer.model_max_length:
            return text
        kept: str = tokenizer.decode(ids[: tokenizer.model_max_length - 1], skip_special_tokens=True)
        return kept

    def _scheduler(self, sampling: Sampling) -> Any:
        if sampling not in self._schedulers:
            self._schedulers[sampling] = make_scheduler(sampling, self.model.scheduler)
        return self._schedulers[sampling]


class _Steps:
    """The pipeline's callback: tells how far it is, and stops it by raising Cancelled."""

    def __init__(self, batch: Sequence[Job], watch: Watch) -> None:
        self._total = batch[0].recipe.steps_run
        self._indices = tuple(job.index for job in batch)
        self._watch = watch

    def __call__(self, pipeline: Any, position: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        self._watch.cancel.raise_if_cancelled()
        step = (position + 1) * self._total // pipeline.num_timesteps
        self._watch.progress(StepProgress(indices=self._indices, step=step, steps=self._total))
        self._watch.cancel.raise_if_cancelled()
        return tensors


def _picture(pixels: Any) -> Image.Image | None:
    """Float pixels [H, W, 3] in [0, 1] as a picture, None when some are no numbers."""
    if not np.isfinite(pixels).all():
        return None
    return Image.fromarray((pixels * 255).round().astype(np.uint8))
