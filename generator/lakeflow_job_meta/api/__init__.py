"""The classes for notebooks and tests, with the names of the original tool. Thin."""
