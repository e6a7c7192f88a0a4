"""Pictures: bytes of anybody's making in, safe files out; knows nothing of people."""
