"""A whole run in one place: decisions of the engine in a loop, all work on the world through one port."""
