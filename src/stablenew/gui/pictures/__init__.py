"""Pictures on the screen: decoded and shrunk in worker threads, drawn on Tk's, and never more of them than are seen."""
