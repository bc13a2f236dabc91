"""From what users wrote to a model: files and tables are read, every value keeps its place, nothing is lost."""
