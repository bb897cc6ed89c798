"""What the cells of the studies compute. Everything here decides figures: a change makes their rows anew."""
