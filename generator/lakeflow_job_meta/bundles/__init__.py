"""A project of many bundles: which job is in which, and what each bundle's own file says."""
