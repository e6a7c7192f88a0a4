"""The reference: what the server takes, answers and pushes, described once and written down in several languages."""
