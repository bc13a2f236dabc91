"""Small pieces that know nothing of jobs or metadata. Nothing in here is public."""
