"""Tables of rows by key, whatever they are stored in: Delta files, SQL (a warehouse or Spark), a local JSON file."""
