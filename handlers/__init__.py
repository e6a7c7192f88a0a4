"""The rules of the service: one file per noun, each event where its name says."""
