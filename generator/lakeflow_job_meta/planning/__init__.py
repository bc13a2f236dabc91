"""What would change, in words: the jobs as they were generated last against the jobs that the metadata makes now."""
