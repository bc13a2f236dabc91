"""What commands, Python classes and the monitor share: load and export of control tables, projects without a file."""
