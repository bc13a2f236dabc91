"""What would change, as data and in words."""
