"""The errors a user can mend: one clear sentence each. Programming errors stay ordinary exceptions."""

from collections.abc import Iterator


class CrmError(Exception):
    """Something in the data, the disk or the home is wrong; the message is one sentence with the mend. Exit code 1."""


class UsageError(CrmError):
    """The command, a setting or the source.yaml is wrong. Exit code 2."""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came from, the nearest first."""
    seen: set[int] = set()  # an error raised from itself is its own cause
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
