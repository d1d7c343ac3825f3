"""Runs cases on backends, compares, shrinks, records and reports. Knows the reference; must not know the suites."""
