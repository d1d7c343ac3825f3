"""What a backend must show: pytest files that read like the Arm Architecture Reference Manual."""
