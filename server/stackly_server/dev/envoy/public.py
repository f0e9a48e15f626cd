"""The public listener: REST transcoding, native gRPC and gRPC-Web over TLS, in front of the API's unix socket."""

from typing import Any

from stackly_server.dev.envoy.connection import http_listener
from stackly_server.dev.envoy.edge_settings import PublicDoor
from stackly_server.dev.envoy.local_replies import local_replies, not_found_body
from stackly_server.dev.envoy.methods import PublicMethods
from stackly_server.dev.envoy.tls import downstream_tls

API_CLUSTER = "api"
BODY_LIMIT_BYTES = 4 * 1024 * 1024
WEBHOOK_LIMIT_BYTES = 25 * 1024 * 1024

_HTTP = "type.googleapis.com/envoy.extensions.filters.http"
_TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
_MUTATION = "envoy.filters.http.header_mutation"
_INFRASTRUCTURE = (
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
    "/grpc.health.v1.Health/",
)
_UNARY_SECONDS = 75  # above the longest long poll (60 s)


def public_listener(door: PublicDoor, methods: PublicMethods) -> dict[str, Any]:
    manager = {
        "stat_prefix": "public",
        "route_config": {"name": "public", "virtual_hosts": [_virtual_host(door, methods)]},
        "http_filters": _filters(door, methods),
        "local_reply_config": local_replies(),
        "forward_client_cert_details": "SANITIZE",  # nobody outside says who they are by a header
        "use_remote_address": True,
        # the API says the id of a call that went well in trailers, which HTTP/1.1 and REST have not
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        "merge_slashes": True,
    }
    tls = downstream_tls(door.certificate, protocols=["h2", "http/1.1"])
    return http_listener("public", door.listen, tls, manager, buffer_bytes=WEBHOOK_LIMIT_BYTES)


def _filters(door: PublicDoor, methods: PublicMethods) -> list[dict[str, Any]]:
    return [
        {"name": _MUTATION, "typed_config": _strip_ours()},
        {"name": "envoy.filters.http.grpc_web", "typed_config": {"@type": f"{_HTTP}.grpc_web.v3.GrpcWeb"}},
        {"name": _TRANSCODER, "typed_config": _transcoder(door, methods, BODY_LIMIT_BYTES)},
        {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_HTTP}.router.v3.Router"}},
    ]


def _strip_ours() -> dict[str, Any]:
    """Headers that our own parts trust must not come from outside."""
    ours = {"remove_on_match": {"key_matcher": {"prefix": "x-stackly-", "ignore_case": True}}}
    mutations = [ours, {"remove": "x-forwarded-client-cert"}, {"remove": "x-envoy-original-path"}]
    return {"@type": f"{_HTTP}.header_mutation.v3.HeaderMutation", "mutations": {"request_mutations": mutations}}


def _transcoder(door: PublicDoor, methods: PublicMethods, limit_bytes: int) -> dict[str, Any]:
    return {
        "@type": f"{_HTTP}.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(door.descriptors),
        "services": list(methods.transcoded),
        "convert_grpc_status": True,
        "print_options": {"always_print_primitive_fields": True, "stream_newline_delimited": True},
        "request_validation_options": {
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        "max_request_body_size": limit_bytes,
        "max_response_body_size": BODY_LIMIT_BYTES,
    }


def _virtual_host(door: PublicDoor, methods: PublicMethods) -> dict[str, Any]:
    """A REST call is matched twice: by its path before transcoding, by its gRPC path after."""
    webhook = {_TRANSCODER: _transcoder(door, methods, WEBHOOK_LIMIT_BYTES)}
    routes = [
        {"match": {"path": path}, **_not_found(), "typed_per_filter_config": webhook}
        for path in methods.webhook_rest_paths
    ]
    routes += [
        {"match": {"safe_regex": {"regex": pattern}}, **_not_found(), "typed_per_filter_config": _lines_of_json()}
        for pattern in methods.stream_rest_patterns
    ]
    routes += [
        {**_to_api({"path": path}, _UNARY_SECONDS), "request_body_buffer_limit": str(WEBHOOK_LIMIT_BYTES)}
        for path in methods.webhook_grpc_paths
    ]
    # a stream lives as long as its messages come; heartbeats are more frequent than this
    routes += [_to_api({"path": path}, 0) for path in methods.streams]
    services = [f"/{service}/" for service in (*methods.transcoded, *methods.grpc_only)]
    routes += [_to_api({"prefix": prefix}, _UNARY_SECONDS) for prefix in services]
    routes += [_to_api({"prefix": prefix}, 0) for prefix in _INFRASTRUCTURE]
    return {"name": "public", "domains": ["*"], "routes": [*routes, {"match": {"prefix": "/"}, **_not_found()}]}


def _lines_of_json() -> dict[str, Any]:
    """The transcoder calls a stream `application/json`; a refusal is that, and keeps it."""
    kind = "response.headers[':status'] == '200' ? 'application/x-ndjson' : response.headers['content-type']"
    header = {"key": "content-type", "value": f"%CEL({kind})%"}
    mutations = {"response_mutations": [{"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS"}}]}
    return {_MUTATION: {"@type": f"{_HTTP}.header_mutation.v3.HeaderMutationPerRoute", "mutations": mutations}}


def _to_api(match: dict[str, Any], seconds: int) -> dict[str, Any]:
    return {"match": match, "route": {"cluster": API_CLUSTER, "timeout": f"{seconds}s"}}


def _not_found() -> dict[str, Any]:
    return {"direct_response": {"status": 404, "body": {"inline_string": not_found_body()}}}
