"""What is wrong with a job that could be built: each check a small function with a rule of its own."""
