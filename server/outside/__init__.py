"""The world outside: passwords, tokens, mail; ports that handlers reach through Context."""
