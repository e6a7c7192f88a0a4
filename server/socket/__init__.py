"""Sockets: from the frame to the funnel, and from the log back to the frame."""
