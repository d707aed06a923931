"""Records of pictures that other tools made."""
