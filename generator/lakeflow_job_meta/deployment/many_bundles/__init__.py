"""Deployment of a project of many bundles."""
