"""From generated files to jobs in a workspace: the databricks CLI deploys, this room stands guard."""
