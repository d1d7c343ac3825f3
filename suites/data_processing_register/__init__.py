"""Data Processing -- Register: directed cases."""
