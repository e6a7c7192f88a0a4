"""What may vanish: Redis. Losing all of it costs seconds of presence and open windows, nothing else."""
