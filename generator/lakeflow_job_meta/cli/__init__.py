"""The command line: one thin file for each command. Only what is below here imports click or prints."""
