"""Cases, states, outcomes and verdicts; assembling and disassembling; tokens; random generation."""
