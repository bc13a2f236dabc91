"""The parts of the SQL engine: types, expressions, tables, and one module per group of statements.

Nothing here knows of HTTP. `workspace.engine` is the way in.
"""
