"""A page that shows all jobs: how their graphs are laid out."""
