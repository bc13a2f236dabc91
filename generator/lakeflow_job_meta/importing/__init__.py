"""Jobs that exist already become modules: from the bundle's own files, and from the workspace."""
