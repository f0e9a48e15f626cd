"""Messages as the REST face shows them: camelCase, enum names, zeros and empty lists printed, unset parts left out."""

from typing import Any

import betterproto2


def as_json(message: betterproto2.Message) -> dict[str, Any]:
    pruned: dict[str, Any] = _pruned(message.to_dict(include_default_values=True))
    return pruned


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(each) for key, each in value.items() if each is not None}
    return [_pruned(each) for each in value] if isinstance(value, list) else value
