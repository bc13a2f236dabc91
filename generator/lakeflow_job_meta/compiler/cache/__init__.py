"""What units came to in an earlier run, so that a run does only what is new. Safe to delete at any time."""
