"""The textual forms that are read and written: YAML, JSON columns, marker lines."""
