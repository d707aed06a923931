"""Servers of the WebUI family: A1111, Forge, reForge, SD.Next, stable-diffusion.cpp."""

from stablenew.backends.webui.backend import open_backend

__all__ = ["open_backend"]
