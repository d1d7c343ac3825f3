"""Data Processing -- Immediate."""
