"""From raw metadata to the model: modules and sources, every value with its location."""
