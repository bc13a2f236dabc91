"""From jobs to text: rendered with Jinja, read back and compared with the job."""
