"""What a caller wrote and nobody can read."""


class Mistake(ValueError):
    """A name, a word or a length of time that cannot be read; the message says how to write it."""
