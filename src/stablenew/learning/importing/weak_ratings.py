"""What stars and folders of favourites let one conclude: ratings that never outweigh one that a person gave here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from stablenew.errors import InputError
from stablenew.learning.importing.image_texts import TEXT_BYTES_MAX
from stablenew.learning.learning_feedback import Rating, new_rating
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.xmp import Xmp, parse_xmp, sidecar_path
from stablenew.variant import content_hash

SURFACE = "import"
_FAVOURITES = re.compile(
    r"(^|[\W_])(fav|favs|favou?rites?|best|starred|liked|loved|keepers?|picks|highlights)([\W_]|$)", re.IGNORECASE
)


def is_favourite_folder(name: str) -> bool:
    """Whether a folder's name says that what is in it was chosen: "Favorites", "my best", "2024_keepers"."""
    return _FAVOURITES.search(name) is not None


def weak_rating(
    path: Path, folders: Iterable[str], packet: bytes, stars: int | None, record: LearningRecord
) -> Rating | None:
    """The rating that folder names, XMP (inside or beside the picture) and Exif stars come to; None: they say nothing.

    Made at the time the picture was written and with an id of its content, so that it is the same when made again.
    """
    xmp = _xmp(path, packet)
    score = xmp.score if xmp.score is not None else stars
    favourite = True if any(is_favourite_folder(name) for name in folders) else None
    if score is None and favourite is None and not xmp.rejected:
        return None
    said = [record.run.record_id, score, favourite, xmp.rejected, list(xmp.tags), xmp.notes]
    return new_rating(
        record.run.record_id,
        moment=datetime.fromisoformat(record.run.timestamp),
        rating_id=content_hash(["import", *said])[:32],
        image_sha256=record.outcome.images[0].sha256,
        score=score,
        favourite=favourite,
        rejected=True if xmp.rejected else None,
        add_tags=list(xmp.tags),
        notes=xmp.notes or None,
        surface=SURFACE,
        weak=True,
    )


def _xmp(path: Path, packet: bytes) -> Xmp:
    """What the sidecar says, else the packet inside; damage counts as nothing said."""
    sidecar = sidecar_path(path)
    try:
        if sidecar.is_file() and sidecar.stat().st_size <= TEXT_BYTES_MAX:
            packet = sidecar.read_bytes()
        return parse_xmp(packet) if packet else Xmp()
    except (OSError, InputError):
        return Xmp()
