"""Branches, Exception Generating and System instructions."""
