"""Pure mathematics of matching: cells, distance, score. No I/O, no clock."""
