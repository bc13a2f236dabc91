"""Modules that are repeated with other values: blueprints, their parameters, and the rows or maps that fill them."""
