"""Learning records: written, read, rated."""
