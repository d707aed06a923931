"""All phases in order, each taken up where it was left."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from training import autoencoder, denoiser, export, text
from training.dataset import Drawn, pictures
from training.progress import load, save, say
from training.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the denoiser stands on. `latents` are float16 [N, 4, 16, 16] with a spread of one."""

    drawn: Drawn
    model: AutoencoderTiny
    words: CLIPTokenizer
    text: CLIPTextModel
    tokens: Tensor
    silence: Tensor
    latents: Tensor


def lay_ground(settings: Settings) -> Ground:
    """Does everything before the denoiser."""
    drawn = pictures(settings)
    model = autoencoder.train(settings, drawn)
    latents = _latents(settings, drawn, model)
    words = text.tokenizer(settings)
    tokens = _tokens(settings, drawn, words)
    encoder = text.train(settings, drawn, tokens, text.build(words))
    return Ground(
        drawn=drawn,
        model=model,
        words=words,
        text=encoder,
        tokens=tokens,
        silence=text.tokens_of(words, [""])[0],
        latents=latents,
    )


def run(settings: Settings) -> StableDiffusionPipeline:
    """Trains the whole model and writes it to `out/model`; gives it."""
    torch.set_float32_matmul_precision("high")
    ground = lay_ground(settings)
    unet, encoder = denoiser.train(settings, ground.drawn, ground.latents, ground.tokens, ground.silence, ground.text)
    model = autoencoder.refine(settings, ground.drawn, ground.model) if settings.decoder_s else ground.model
    made = export.pipeline(model, encoder, ground.words, unet)
    size = export.write(made, settings.out / "model")
    say(f"model: {size / 1e6:.2f} MB in {settings.out / 'model'}")
    return made


def snapshot(settings: Settings) -> StableDiffusionPipeline:
    """Gives the averaged model of the last checkpoints, also while training goes on, and writes it to `out/model`."""
    words = text.tokenizer(settings)
    model, encoder, unet = kept_autoencoder(settings), text.build(words), denoiser.build(settings)
    trained = load(settings.out / "denoiser.pt")
    unet.load_state_dict(trained["average"]["unet"])
    encoder.load_state_dict(trained["average"]["text"])
    made = export.pipeline(model, encoder.eval(), words, unet.eval())
    size = export.write(made, settings.out / "model")
    seen = trained["steps"] * trained["batch"]
    say(f"model: {seen:,} pictures, {trained['spent_s']:.0f} s, {size / 1e6:.2f} MB")
    return made


def kept_autoencoder(settings: Settings) -> AutoencoderTiny:
    """Gives the autoencoder of the last checkpoint, averaged, with its scaling factor."""
    model = autoencoder.build()
    kept = load(settings.out / "decoder.pt") or load(settings.out / "autoencoder.pt")
    model.load_state_dict(kept["average"]["model"])
    scale(model, torch.load(settings.out / "latents.pt", weights_only=True, mmap=True)["spread"])
    return model.eval()


def scale(model: AutoencoderTiny, spread: float) -> None:
    """Sets the factor that gives latents a spread of one."""
    model.register_to_config(scaling_factor=round(1 / spread, 5))
    model.scaling_factor = model.config.scaling_factor


def _latents(settings: Settings, drawn: Drawn, model: AutoencoderTiny) -> Tensor:
    path = settings.out / "latents.pt"
    saved = load(path)
    if saved is None:
        say("latents: encoding the pictures")
        raw = autoencoder.encode(model, drawn.pixels)
        spread = denoiser.spread_of(raw)
        saved = {"latents": (raw.float() / spread).half(), "spread": spread}
        save(path, saved)
    scale(model, saved["spread"])
    return saved["latents"]


def _tokens(settings: Settings, drawn: Drawn, words: CLIPTokenizer) -> Tensor:
    path = settings.out / "tokens.pt"
    saved = load(path)
    if saved is None:
        say("tokens: reading the captions")
        saved = text.tokens_of(words, drawn.texts)
        save(path, saved)
    return saved
