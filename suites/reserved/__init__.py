"""Reserved: directed cases."""
