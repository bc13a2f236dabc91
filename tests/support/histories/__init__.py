"""Random histories of a project: what people, clocks, machines and the workspace do to it, and who judges.

`metadata` is what the metadata says, as its authors know it; `starter` runs commands, and ends or stops them at any
step; `world` is the workspace with two checkouts of the project; `judge` compares the workspace before and after.
"""
