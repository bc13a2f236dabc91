"""Generated files on disk: compared, written whole, and read back."""
