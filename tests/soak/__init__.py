"""What shows only after many ticks."""
