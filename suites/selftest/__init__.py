"""Tests of assay64 itself. They may look into every part; no other package may import them."""
