"""The project file `job_meta.yml`, and what the rest of the bundle declares."""
