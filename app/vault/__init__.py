"""Where knowledge lies: artifacts and data sets in the database."""
