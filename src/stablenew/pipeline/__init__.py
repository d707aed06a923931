"""From variants to pictures and records."""
