"""Runs cases on backends in worker processes, compares, explains, shrinks and groups. It writes no records and no
reports.
"""
