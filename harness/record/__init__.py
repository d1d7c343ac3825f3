"""What a run leaves behind: one record for each check, as plain data. Reports read it; nothing here judges."""
