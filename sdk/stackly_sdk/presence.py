"""Parts of an answer that the server always sends."""

from typing import TypeVar

from stackly_sdk.statuses import ServerError

T = TypeVar("T")


def there(part: T | None) -> T:
    """Raises ServerError when the part is missing: the server is of another version, or broken."""
    if part is None:
        raise ServerError("the server's answer lacks its main part; it may be of another version than this SDK")
    return part
