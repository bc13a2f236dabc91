"""Benchmarks: figures of one run on one machine, to be read as ratios of each other."""
