"""The demo: invented people to try the service with, their portraits, and programs that bring some of them to life."""
