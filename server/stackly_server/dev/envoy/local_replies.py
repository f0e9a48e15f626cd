"""Envoy's own errors in the shape of ours: google.rpc.Status as JSON, with an ErrorInfo."""

from typing import Any

_DOMAIN = "stackly.dev"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_BY_STATUS = {
    # HTTP: (gRPC code, reason)
    400: (3, "VALIDATION_FAILED"),
    401: (16, "TOKEN_INVALID"),
    403: (7, "PERMISSION_DENIED"),
    404: (5, "NOT_FOUND"),
    405: (12, "NOT_FOUND"),
    408: (4, "INTERNAL"),
    413: (3, "LIMIT_EXCEEDED"),
    415: (3, "VALIDATION_FAILED"),
    429: (8, "RATE_LIMITED"),
    503: (14, "SHUTTING_DOWN"),  # the API stops, starts, or is not there
    504: (4, "INTERNAL"),
}
_MESSAGES = {14: "The API does not answer. Try again."}  # Envoy would tell of its upstream connections
_OTHER = (13, "INTERNAL")


def local_replies() -> dict[str, Any]:
    """`local_reply_config`: JSON for REST callers only; a native gRPC client would get the JSON as its message."""
    return {
        "mappers": [
            {
                "filter": {"and_filter": {"filters": [_not_grpc(), _status(status)]}},
                "body_format_override": _format(code, reason),
            }
            for status, (code, reason) in _BY_STATUS.items()
        ]
        + [{"filter": _not_grpc(), "body_format_override": _format(*_OTHER)}]
    }


def not_found_body() -> str:
    """The body of the last route, which no local reply filter sees as an error of its own."""
    return "no such path"


def _not_grpc() -> dict[str, Any]:
    """Transcoded (the original path was kept in a header) or never gRPC at all."""
    transcoded = {"name": "x-envoy-original-path", "present_match": True}
    plain = {
        "name": "content-type",
        "string_match": {"prefix": "application/grpc"},
        "invert_match": True,
        "treat_missing_header_as_empty": True,
    }
    return {"or_filter": {"filters": [{"header_filter": {"header": header}} for header in (transcoded, plain)]}}


def _status(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": f"stackly.local_reply.{status}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _format(code: int, reason: str) -> dict[str, Any]:
    detail = {"@type": _ERROR_INFO, "reason": reason, "domain": _DOMAIN}
    return {"json_format": {"code": code, "message": _MESSAGES.get(code, "%LOCAL_REPLY_BODY%"), "details": [detail]}}
