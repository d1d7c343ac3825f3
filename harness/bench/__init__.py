"""Timing: one file per benchmark, and what they share. A benchmark's result is a ratio got within one run."""
