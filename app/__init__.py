"""LIRF Server: a model server that forgets on request and remembers on permission."""
