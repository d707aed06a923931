"""Trains StableNew's tiny text-to-image model from nothing, on pictures it draws. Not part of the package."""
