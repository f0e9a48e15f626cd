"""Trust on first contact: the root certificate by its pin, and nothing else that came over that connection."""

import hashlib
import http.client
import ssl
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf import json_format

from stackly.v1 import worker_registry_pb2 as messages

_SECONDS = 15
_MOST = 1024 * 1024  # bytes of a bundle


class TrustError(Exception):
    """The server does not show the root certificate that the join file pins."""


class UnreachableError(Exception):
    """The server did not answer."""


def pinned_root(server: str, pin: str) -> bytes:
    """The root certificate (PEM) of the server's bundle, when its key has the pin (hex).

    The connection is not verified, so only what the pin proves is taken: the root. Other certificates of the bundle
    could be anybody's; servers send their intermediates along. Blocks at most 15 seconds a step.
    """
    bundle = messages.GetTrustBundleResponse()
    try:
        json_format.Parse(_read(server), bundle, ignore_unknown_fields=True)
        certificates = x509.load_pem_x509_certificates(bundle.ca_certificates.encode())
    except (json_format.ParseError, UnicodeDecodeError, ValueError):
        raise TrustError(f"{server} gives no trust bundle") from None
    for certificate in certificates:
        if spki_sha256(certificate) == pin:
            return certificate.public_bytes(Encoding.PEM)
    raise TrustError(
        f"the certificates of {server} are not those of the join file: somebody is in between, or it is old"
    )


def spki_sha256(certificate: x509.Certificate) -> str:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


def _read(server: str) -> bytes:
    parts = urlsplit(server)
    if parts.scheme != "https" or not parts.hostname:
        raise TrustError(f"{server!r} is no https address")
    context = ssl.create_default_context()
    # What is read here is believed only if the pin says so; every later connection is verified.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=_SECONDS, context=context)
    try:
        connection.request("GET", "/v1/trustBundle", headers={"accept": "application/json"})
        answer = connection.getresponse()
        data = answer.read(_MOST)
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{server} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise UnreachableError(f"{server} answers GET /v1/trustBundle with {answer.status}")
    return data
