"""What the tests stand on: raw frames, a network that breaks, recorders, bad payloads."""
