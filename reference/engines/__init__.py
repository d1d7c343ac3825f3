"""Engines: what executes the specification. golden.py holds Python integers and is the meaning of the others."""
