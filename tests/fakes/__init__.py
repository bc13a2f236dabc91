"""Stand-ins for what is outside: the databricks command, and a workspace that the real SDK talks to."""
