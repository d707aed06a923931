"""The local backend: Stable Diffusion in this process, with diffusers."""

from stablenew.backends.diffusers_local.backend import open_backend

__all__ = ["open_backend"]
