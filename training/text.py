"""The tokenizer and the text encoder, which first learns what captions state.

Trained from nothing together with the denoiser, the text encoder learns colours late: predicting each caption's
attributes for a minute beforehand gives it words that mean something from the start.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.captions import describe
from training.dataset import Drawn
from training.labels import SAID
from training.optim import Optimizer
from training.progress import Clock, load, rate, save, say
from training.settings import Settings
from training.world import pick_picture

POSITIONS = 40
VOCABULARY = 920
WIDTH = 96
BATCH = 128


def tokenizer(settings: Settings) -> CLIPTokenizer:
    """Gives the byte-pair tokenizer, learnt from captions once and then read from `out/tokenizer`."""
    folder = settings.out / "tokenizer"
    if not (folder / "tokenizer_config.json").exists():
        _learn_tokenizer(settings.seed, folder)
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _learn_tokenizer(seed: int, folder: Path) -> None:
    blank = CLIPTokenizer()
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    learner.normalizer = blank.backend_tokenizer.normalizer or normalizers.Lowercase()
    learner.pre_tokenizer = blank.backend_tokenizer.pre_tokenizer or pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|startoftext|>", "<|endoftext|>"]
    teacher = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, end_of_word_suffix="</w>"
    )
    rng = random.Random(f"{seed}:words")
    texts = [describe(pick_picture(rng), rng).text for _ in range(20_000)]
    learner.train_from_iterator(texts, teacher)
    vocabulary, merges = _clip_layout(learner, alphabet, special)
    made = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=POSITIONS)
    made.save_pretrained(folder)


def _clip_layout(learner: Tokenizer, alphabet: list[str], special: list[str]) -> tuple[dict[str, int], list]:
    """Gives vocabulary and merges in CLIP's order: bytes, bytes that end a word, merges, then the two marks.

    Every byte is a token in both forms, so that no text a person types is unknown.
    """
    import json

    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    tokens = sorted(alphabet) + [f"{letter}</w>" for letter in sorted(alphabet)]
    tokens += [made for made in ("".join(pair) for pair in merges) if made not in set(tokens)]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys([*tokens, *special]))}
    return vocabulary, merges


def tokens_of(words: CLIPTokenizer, texts: list[str]) -> Tensor:
    """Gives int16 [N, POSITIONS], padded and cut as the pipeline does."""
    known: dict[str, int] = {}
    at = np.array([known.setdefault(text, len(known)) for text in texts])
    ids: list[NDArray[np.int16]] = []
    unique = list(known)
    for start in range(0, len(unique), 20_000):
        batch = words(unique[start : start + 20_000], padding="max_length", truncation=True, max_length=POSITIONS)
        ids.append(np.array(batch["input_ids"], dtype=np.int16))
    return torch.from_numpy(np.concatenate(ids)[at])


def build(words: CLIPTokenizer) -> CLIPTextModel:
    """Gives the untrained text encoder: 2 layers of width 96."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=POSITIONS,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )


def train(settings: Settings, drawn: Drawn, tokens: Tensor, model: CLIPTextModel) -> CLIPTextModel:
    """Teaches the encoder what captions state; gives it. Goes on from `out/text.pt` (only once it is done)."""
    path = settings.out / "text.pt"
    saved = load(path)
    model = model.to(settings.device)
    if saved is not None:
        model.load_state_dict(saved["model"])
        return model.eval()
    torch.manual_seed(settings.seed)
    head = nn.Linear(2 * WIDTH, len(SAID)).to(settings.device)
    optimizer = Optimizer([(model, 1.0), (head, 1.0)], muon=3e-3, adamw=2e-3)
    clock = Clock(name="text", limit_s=settings.text_s, limit_steps=settings.steps)
    rng = np.random.default_rng(settings.seed)
    while clock.share() < 1:
        optimizer.set_rate(rate(clock.share()))
        at = rng.integers(0, len(tokens), BATCH)
        states = model(tokens[at].long().to(settings.device)).last_hidden_state
        wanted = torch.from_numpy(drawn.said[at]).float().to(settings.device)
        # The last state has read everything; the mean is what attention over the states can reach.
        logits = head(torch.cat([states[:, -1], states.mean(1)], dim=1))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        right = ((logits > 0) == (wanted > 0.5)).all(1).float().mean()
        loss.backward()
        optimizer.step()
        clock.tick(loss=float(loss.detach()), all_right=float(right))
    save(path, {"model": model.state_dict(), "steps": clock.steps, "spent_s": clock.spent_s})
    say(f"text: {clock.steps * BATCH} captions in {clock.spent_s:.0f} s")
    return model.eval()
