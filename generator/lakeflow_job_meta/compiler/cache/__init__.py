"""Results of units from earlier runs, so that a run compiles only what is new. Safe to delete at any time."""
