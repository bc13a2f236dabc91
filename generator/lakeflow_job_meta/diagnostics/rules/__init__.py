"""The rules, by subject. Data only."""
