"""`python -m training [COMMAND]`: makes the tiny model.

train: every phase, going on where it stopped. export: write the model of the last checkpoint. judge: train the judge,
which is also the scorer. measure: write figures, tables and a sample sheet of a model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training import judge, phases, report
from training.settings import Settings, small

COMMANDS = ("train", "export", "judge", "measure")


def main() -> None:
    """Reads the command line and runs."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("command", nargs="?", default="train", choices=COMMANDS, help="train unless said otherwise")
    parser.add_argument("--out", type=Path, default=Path("training/out"), help="folder of everything made")
    parser.add_argument("--model", type=Path, default=None, help="the folder to measure; OUT/model when not given")
    parser.add_argument("--scorer", type=Path, default=None, help="where `judge` writes the package's scorer")
    parser.add_argument("--quick", action="store_true", help="measure: no tables of other settings")
    parser.add_argument("--minutes", type=float, default=90.0, help="minutes of the denoiser's training")
    parser.add_argument("--autoencoder-minutes", type=float, default=9.0)
    parser.add_argument("--decoder-minutes", type=float, default=7.0, help="0: leave it as it is")
    parser.add_argument("--pictures", type=int, default=100_000, help="pictures to draw")
    parser.add_argument("--batch", type=int, default=24, help="pictures a step of the denoiser")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16 (for CUDA; slower on a CPU)")
    parser.add_argument("--smoke", action="store_true", help="a few steps of every phase, to see that all works")
    given = parser.parse_args()
    settings = Settings(
        out=given.out,
        seed=given.seed,
        device=given.device,
        bf16=given.bf16,
        pictures=given.pictures,
        batch=given.batch,
        autoencoder_s=60 * given.autoencoder_minutes,
        decoder_s=60 * given.decoder_minutes,
        denoiser_s=60 * given.minutes,
    )
    settings = small(settings) if given.smoke else settings
    if given.command == "export":
        phases.snapshot(settings)
    elif given.command == "measure":
        model = given.model or settings.out / "model"
        print(report.write_figures(settings, model, tables=not given.quick))
    else:
        if given.command == "train":
            phases.run(settings)
        eye = report.train_judge(settings)
        judge.write_scorer(eye, report.JUDGE_WIDTH, given.scorer or settings.out / "scorer")


if __name__ == "__main__":
    main()
