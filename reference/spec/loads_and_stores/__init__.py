"""Loads and Stores."""
