"""What can be wrong with metadata: rules, the diagnostics made of them, severity, and formats."""
