"""One face for the command line and the window."""
