"""Whatever makes pictures: in-process or a server."""
