"""The only place that knows MySQL: statements compiled once, values always bound."""
