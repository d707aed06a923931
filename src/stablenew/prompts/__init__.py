"""Packs, templates and the plan of variants."""
