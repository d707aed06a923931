"""Keeps the libraries' progress bars and warnings off the person's console; their errors still come as exceptions."""

from __future__ import annotations

import warnings

import transformers

_LIBRARIES = r"(diffusers|transformers|torch|torchsde|huggingface_hub)(\.|$)"


def be_quiet() -> None:
    """Call before diffusers' pipelines are imported: transformers warns already when it is looked at."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    import diffusers

    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=_LIBRARIES)
