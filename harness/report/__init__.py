"""Reports for people and programs: they read records and verdicts, and nothing else."""
