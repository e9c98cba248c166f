"""The one error that `export.py` shows as a sentence, without a trace."""


class ExportError(Exception):
    """What is wrong, where, and what to do."""
