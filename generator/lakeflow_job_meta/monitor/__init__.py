"""The monitor: metadata changes, jobs follow."""
