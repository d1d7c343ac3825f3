"""Instructions and states drawn at random from the specification's own patterns."""
