"""The verbs of the command line, each a click command."""
