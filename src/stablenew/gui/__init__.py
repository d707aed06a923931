"""The desktop window: runs packs, watches, rates, compares and learns, through the controller the command line uses."""
