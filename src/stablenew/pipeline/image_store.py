"""Pictures to disk: whole or not at all, named by run and variant, with their metadata inside and their hash known."""

from __future__ import annotations

import hashlib
from pathlib import Path

from stablenew.atomic_file import write_atomically
from stablenew.backends.base import GeneratedImage
from stablenew.config import StageName
from stablenew.pipeline.image_metadata import (
    combined,
    compose_infotext,
    encode_png,
    image_suffix,
    insert_texts,
    record_chunk,
)
from stablenew.pipeline.run_folder import RunFolder
from stablenew.variant import EffectiveSettings, SavedImage, Variant


class ImageStore:
    """Saves the pictures of one run into its folder. Used by one thread."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        self._folder, self._version = folder, version

    def save(
        self, image: GeneratedImage, variant: Variant, stage: StageName, before: EffectiveSettings | None
    ) -> SavedImage:
        """Write the picture and return where it is. Raises OSError; then nothing is left behind.

        Bytes from a server are kept as they are, with our text chunks inserted where they are a PNG. `before` is what
        the earlier stages used: it fills in what this stage does not say in the `parameters` text.
        """
        data = self._file_bytes(image, variant, before)
        name = f"{variant.index:05d}-{variant.variant_id}-{stage}{image_suffix(data)}"
        path = self._folder.images / name
        write_atomically(path, data)
        return SavedImage(
            path=self._folder.workspace.relative(path),
            sha256=hashlib.sha256(data).hexdigest(),
            width=image.width,
            height=image.height,
            stage=stage,
        )

    def _file_bytes(self, image: GeneratedImage, variant: Variant, before: EffectiveSettings | None) -> bytes:
        run_id = self._folder.run_id
        texts = {"stablenew": record_chunk(variant.record_id(run_id), run_id)}
        if image.infotext is None:
            infotext = compose_infotext(variant, combined(before, image.effective), image.seed, self._version)
            texts = {"parameters": infotext, **texts}
        if isinstance(image.picture, bytes):
            return insert_texts(image.picture, texts)
        return encode_png(image.picture, texts)


def read_saved(root: Path, image: SavedImage) -> bytes | None:
    """The file's bytes when they are still those that were saved, else None."""
    try:
        data = (root / image.path).read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == image.sha256 else None
