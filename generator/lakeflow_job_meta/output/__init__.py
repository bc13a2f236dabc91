"""From jobs to files: text is rendered and read back, compared with what is on disk, and written whole."""
