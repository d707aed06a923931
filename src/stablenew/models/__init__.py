"""The embedded model's files and the demo pack: data, no code."""
