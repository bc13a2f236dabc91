"""The monitor: watches the metadata, deploys what changes behind the gate, and reports it."""
