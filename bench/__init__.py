"""The figures: how fast the server is, each beside what it is compared with; see docs/benchmarks.md."""
