"""Where metadata is read from: YAML files, volumes and control tables. One file for each kind."""
