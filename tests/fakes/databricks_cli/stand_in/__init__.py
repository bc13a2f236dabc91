"""The parts of the stand-in: command line, configuration, references, paths, plan, deployment, state, lock, HTTP."""
