"""Control tables where they are: Delta files, a SQL warehouse, a Spark session. One interface, the same behaviour."""
