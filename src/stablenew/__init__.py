"""Prompt packs in, images and learning records out."""
