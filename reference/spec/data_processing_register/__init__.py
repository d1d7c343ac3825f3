"""Data Processing -- Register."""
