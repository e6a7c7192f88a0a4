"""What goes over the wire: events, fields, errors, answers, pushes. A leaf without I/O."""
