"""ComfyUI servers: with a graph of our own for each stage, or with a person's workflow."""

from stablenew.backends.comfyui.backend import open_backend

__all__ = ["open_backend"]
