"""From generated files to jobs in a workspace, behind the gate."""
