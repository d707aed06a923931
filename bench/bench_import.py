"""What importing pictures of other tools costs, against merely reading and hashing the same files, in one run.

    python bench/bench_import.py [--count 20000] [--large 300] [--folder FOLDER] [--json FILE]

Small pictures show what reading settings and writing records costs; large ones what a real folder costs. Where the
package sd-parsers is installed, its reading of the same files is measured too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.learning.importing.pictures import tool_texts

from stablenew.learning.importing.import_folder import FolderImport
from stablenew.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--large", type=int, default=300)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        root = Path(name)
        make_pictures(root / "small", options.count, side=24)
        make_pictures(root / "large", options.large, side=768)
        results = {kind: measure(root / kind, root / f"workspace-{kind}") for kind in ("small", "large")}
    results["peak_memory_mb"] = {"all": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(json.dumps(results, indent=2))
    if options.json:
        options.json.write_text(json.dumps(results))


def make_pictures(folder: Path, count: int, side: int) -> None:
    """`count` different pictures in subfolders of 1,000, the texts of all tools in turn; large ones full of noise."""
    texts = list(tool_texts().values())
    noise = Image.effect_noise((side, side), 80).convert("RGB")
    for number in range(count):
        path = folder / f"{number // 1000:03}" / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        info = PngInfo()
        for keyword, text in texts[number % len(texts)].items():
            info.add_text(keyword, text)
        noise.putpixel((0, 0), (number % 256, number // 256 % 256, number // 65536))
        noise.save(path, pnginfo=info, compress_level=1)


def measure(folder: Path, workspace: Path) -> dict[str, float]:
    """Milliseconds a picture, wall and CPU, and the ratios against reading and hashing alone."""
    files = sorted(folder.rglob("*.png"))
    size = sum(path.stat().st_size for path in files)
    found = {"pictures": float(len(files)), "mb": size / 1e6}
    for name, work in (("hash", hash_all), ("import", import_all), ("again", import_all), ("sd_parsers", sd_parse_all)):
        wall, cpu = timed(work, files, folder, workspace)
        if cpu:
            found |= {f"{name}_wall_ms": wall / len(files) * 1e3, f"{name}_cpu_ms": cpu / len(files) * 1e3}
    found["ratio_cpu"] = found["import_cpu_ms"] / found["hash_cpu_ms"]
    return found


def timed(work: Callable[[list[Path], Path, Path], bool], *args: object) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    done = work(*args)  # type: ignore[arg-type] # the three are always the same
    return (time.perf_counter() - wall, time.process_time() - cpu) if done else (0.0, 0.0)


def hash_all(files: list[Path], _: Path, __: Path) -> bool:
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
    return True


def import_all(files: list[Path], folder: Path, workspace: Path) -> bool:
    with FolderImport(Workspace(root=workspace), folder) as work:
        made = sum(each.became == "record" for each in work.take(work.pending()))
    assert made in (0, len(files)), made
    return True


def sd_parse_all(files: list[Path], _: Path, __: Path) -> bool:
    try:
        from sd_parsers import ParserManager
    except ImportError:
        return False
    manager = ParserManager()
    understood = sum(manager.parse(os.fspath(path)) is not None for path in files)
    print(f"sd-parsers understood {understood} of {len(files)}", file=sys.stderr)
    return True


if __name__ == "__main__":
    main()
