"""What git could not do, as the errors that callers know."""

from collections.abc import Iterator
from contextlib import contextmanager

from stackly_server.errors import Invalid, NotNow, Unavailable
from stackly_server.git.model import GitError, GitMissingError, RemoteRefusedError, TreeLimitError, TreeRefusedError


@contextmanager
def told() -> Iterator[None]:
    """Turns git's errors into ours; their texts are fit for whoever may see the repository.

    Raises:
        NotNow: REF_NOT_FOUND, REPOSITORY_NOT_CONNECTED (the address is not allowed here), CONFIG_INVALID (hostile names).
        Invalid: LIMIT_EXCEEDED.
        Unavailable: REPOSITORY_UNAVAILABLE; try again.
    """
    try:
        yield
    except GitMissingError as error:
        raise NotNow("REF_NOT_FOUND", f"{error}.") from error
    except RemoteRefusedError as error:
        raise NotNow("REPOSITORY_NOT_CONNECTED", f"{error}.") from error
    except TreeRefusedError as error:
        raise NotNow("CONFIG_INVALID", f"The repository cannot be used: {error}.") from error
    except TreeLimitError as error:
        raise Invalid("LIMIT_EXCEEDED", f"{error}.", limit="TREE") from error
    except GitError as error:
        raise Unavailable("REPOSITORY_UNAVAILABLE", f"{error}.", retry_after=2.0) from error
