"""Data Processing -- Immediate: directed cases."""
