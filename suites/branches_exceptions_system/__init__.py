"""Branches, Exception Generating and System instructions: directed cases."""
