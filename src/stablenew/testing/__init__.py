"""The shipped test kit: a scriptable backend, an in-memory record writer, the backend contract."""
