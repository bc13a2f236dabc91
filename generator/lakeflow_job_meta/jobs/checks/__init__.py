"""What is wrong with a job that could be built: each check a small function with a code of its own.

A check takes a job and a `CheckContext`, and yields diagnostics; it changes nothing and raises nothing. A new check is
one function in the file of its subject, entered in that file's `JOB_CHECKS`; `all_checks` puts the files together.
"""
