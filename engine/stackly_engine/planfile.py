"""Output changes of a saved plan, read from the plan file's own message: exact types, unknowns, sensitive paths."""


class PlanFormatError(ValueError):
    """The bytes are no plan file, or one of a version whose format is not known here."""
