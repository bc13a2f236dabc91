"""What is special about a control table: its columns, what identifies a row, what changed between two states."""
