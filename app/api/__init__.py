"""The HTTP surface: one file per resource. A route parses, calls one service, returns its view."""
