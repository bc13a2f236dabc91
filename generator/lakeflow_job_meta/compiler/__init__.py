"""The middle that every command shares: from metadata to jobs, files and diagnostics."""
