"""The errors a user can mend: one clear sentence each. Programming errors stay ordinary exceptions."""


class CrmError(Exception):
    """Something in the data, the disk or the home is wrong; the message is one sentence with the mend. Exit code 1."""


class UsageError(CrmError):
    """The command, a setting or the source.yaml is wrong. Exit code 2."""
