"""An archive of records and ratings of any size, the same on every machine, written straight to disk."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from stablenew.learning.learning_record import LearningRecord

MODELS = ("dreamshaper_8", "realisticVision_v60", "sd_xl_base_1.0", "juggernautXL_v9", "tiny_lumen")
SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "DPM++ 2M SDE", "UniPC", "DDIM", "Heun", "LMS")
SCHEDULERS = ("Automatic", "Karras", "Exponential", "SGM Uniform")
SUBJECTS = (
    "fisherman",
    "lighthouse",
    "fox",
    "cathedral",
    "orchid",
    "train",
    "astronaut",
    "glacier",
    "market",
    "violin",
)
LIGHTS = ("dusk", "golden hour", "overcast", "neon", "candle light", "moonlight", "fog", "backlight")
STYLES = ("oil painting", "35mm photo", "watercolour", "ink", "low poly", "claymation", "engraving", "pastel")
PLACES = ("harbour", "forest", "desert", "old town", "mountain pass", "greenhouse", "night train", "island")


def write_archive(folder: Path, files: int, per_file: int, rated_share: float = 0.05, seed: int = 1) -> None:
    """`files` runs of `per_file` records of about 1.8 KB in `folder`/records, ratings of some in `folder`/ratings."""
    chance = random.Random(seed)
    template = _template()
    (folder / "records").mkdir(parents=True, exist_ok=True)
    (folder / "ratings").mkdir(exist_ok=True)
    with (folder / "ratings" / "ratings.jsonl").open("wb") as ratings:
        for number in range(files):
            lines = [_line(template, number, place, chance) for place in range(per_file)]
            (folder / "records" / f"run-{number:05d}.jsonl").write_bytes(b"".join(line for _, line in lines))
            for record_id, _ in lines:
                if chance.random() < rated_share:
                    ratings.write(_rating(record_id, chance))


def _template() -> dict[str, object]:
    record = LearningRecord.from_pipeline_context(
        {"model": "m"},
        {
            "run_id": "r",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "prompt": "p",
            "stages": ["txt2img"],
            "images": [{"path": "i.png", "sha256": "0" * 64, "width": 512, "height": 512, "stage": "txt2img"}],
            "axes": {"txt2img.steps": 30},
            "pack_name": "bench",
            "pack_id": "b" * 16,
            "backend": "local",
            "host_id": "bench",
        },
    )
    return record.to_dict()


def _line(record: dict, number: int, place: int, chance: random.Random) -> tuple[str, bytes]:  # type: ignore[type-arg]
    model, sampler, scheduler = MODELS[number % 5], chance.choice(SAMPLERS), chance.choice(SCHEDULERS)
    cfg, steps = chance.choice((3.0, 5.0, 7.0, 9.0)), chance.choice((20, 30))
    subject, light, style, where = (chance.choice(words) for words in (SUBJECTS, LIGHTS, STYLES, PLACES))
    prompt = (
        f"a {style} of a {subject} in a {where}, {light}, highly detailed, intricate textures, balanced composition, "
        f"volumetric atmosphere, wide angle, variation {chance.randrange(4)}"
    )
    negative = "blurry, lowres, bad anatomy, extra fingers, watermark, jpeg artifacts, cropped, out of frame"
    record_id = f"{chance.getrandbits(96):024x}"
    moment = number * 7200 + place * 6
    record["run"] |= {
        "record_id": record_id,
        "run_id": f"run-{number:05d}",
        "timestamp": f"2026-{1 + moment // 2_419_200 % 12:02d}-{1 + moment // 86400 % 28:02d}"
        f"T{moment // 3600 % 24:02d}:{moment // 60 % 60:02d}:{moment % 60:02d}.{chance.randrange(1000):03d}Z",
    }
    record["prompt"] |= {
        "prompt": prompt,
        "negative_prompt": negative,
        "template": "a [[style]] of a [[subject]] in a [[where]], [[light]], highly detailed",
        "bindings": {"style": style, "subject": subject, "where": where, "light": light},
        "seed": chance.getrandbits(32),
        "line_number": 1 + place % 40,
        "variant_id": f"{chance.getrandbits(64):016x}",
    }
    settings = {"model": model, "sampler": sampler, "scheduler": scheduler, "cfg_scale": cfg, "steps": steps}
    record["pipeline"] |= {**settings, "width": 512, "height": 512, "variant_index": place, "variant_count": 1000}
    record["pipeline"]["stages"][0] |= {**settings, "width": 512, "height": 512, "seconds": 3.25}
    failed = chance.random() < 0.01
    record["outcome"] |= {
        "status": "failed" if failed else "ok",
        "error": failed,
        "duration_s": chance.randrange(9000) / 1000,
    }
    record["outcome"]["images"][0] |= {
        "path": f"runs/run-{number:05d}/images/{place:05d}-{record_id[:16]}-txt2img.png",
        "sha256": f"{chance.getrandbits(256):064x}",
    }
    return record_id, msgspec.json.encode(record) + b"\n"


def _rating(record_id: str, chance: random.Random) -> bytes:
    rating = {
        "rating_id": f"{chance.getrandbits(128):032x}",
        "record_id": record_id,
        "timestamp": "2026-12-01T00:00:00.000000Z",
        "score": chance.choice((1, 2, 3, 3, 4, 4, 5)),
        "surface": "bench",
    }
    return msgspec.json.encode(rating) + b"\n"
