"""The one error that a user sees: a sentence that names the file or key, what was expected and what was found."""


class InputError(ValueError):
    """Bad input: ``<file or key>: expected X, got Y``."""

    def __init__(self, where: object, expected: object, got: object, mend: str = ""):
        super().__init__(f"{where}: expected {expected}, got {got}" + (f"; {mend}" if mend else ""))
