"""The one folder everything of ours lives in: chosen by flag, by STABLENEW_WORKSPACE, or the platform's default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stablenew.errors import InputError

VARIABLE = "STABLENEW_WORKSPACE"
USER_VARIABLE = "STABLENEW_USER"
"""Who records and ratings say it was, where nothing else does; never guessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where things are. Nothing is created until something is written there; nothing is written elsewhere."""

    root: Path

    @property
    def runs(self) -> Path:
        """One folder a run: manifest, images, log, contact sheet."""
        return self.root / "runs"

    @property
    def presets(self) -> Path:
        """Named settings, one file each."""
        return self.root / "presets"

    @property
    def wildcards(self) -> Path:
        """Wildcard files for every pack."""
        return self.root / "wildcards"

    @property
    def actions(self) -> Path:
        """One-click actions, one file each."""
        return self.root / "actions"

    @property
    def records(self) -> Path:
        """The learning records, one file a run, and what is derived from them."""
        return self.root / "learning" / "records"

    @property
    def ratings(self) -> Path:
        """What people said about pictures, appended line by line."""
        return self.root / "learning" / "ratings"

    @property
    def scores(self) -> Path:
        """What automatic scorers said about pictures, one file each, appended line by line."""
        return self.root / "learning" / "scores"

    @property
    def experiments(self) -> Path:
        """One folder an experiment: its plan, and its report."""
        return self.root / "experiments"

    @property
    def taste(self) -> Path:
        """What is known of tastes beside ratings: how old ratings fade, and the statistics of others."""
        return self.root / "learning" / "taste"

    @property
    def cards(self) -> Path:
        """Taste cards, one file each, every version kept."""
        return self.root / "cards"

    @property
    def proofs(self) -> Path:
        """Blind comparisons of old with new settings, one file each: what was planned before its first picture."""
        return self.root / "proofs"

    @property
    def index(self) -> Path:
        """The index over records and ratings: derived from them, and safe to delete."""
        return self.root / "learning" / "index.sqlite"

    @property
    def thumbnails(self) -> Path:
        """Small pictures for the window: derived from the pictures, and safe to delete."""
        return self.root / "cache" / "thumbnails"

    def relative(self, path: Path) -> str:
        """`path` as records carry it: relative to the workspace, with forward slashes."""
        return path.relative_to(self.root).as_posix()


def open_workspace(folder: Path | str | None = None) -> Workspace:
    """The workspace at `folder`, else at $STABLENEW_WORKSPACE, else at the platform's place for a user's data.

    Raises InputError when that path is a file.
    """
    chosen = folder or os.environ.get(VARIABLE) or _platform_default()
    root = Path(chosen).expanduser().resolve()
    if root.exists() and not root.is_dir():
        raise InputError(f"the workspace {root} is a file: give a folder with --workspace or {VARIABLE}")
    return Workspace(root=root)


def _platform_default() -> Path:
    import platformdirs

    return platformdirs.user_data_path("stablenew", appauthor=False)
