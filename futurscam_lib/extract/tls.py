"""Trusted certificate authorities: those of the system, and a company's own from SSL_CERT_FILE."""

from __future__ import annotations

import os
import ssl
from typing import Final

import truststore

from futurscam_lib.errors import OperatorMustAct

_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
UNTRUSTED: Final = (
    "Check the host; where a company's own authority signs, name its file (PEM) in the environment variable "
    "SSL_CERT_FILE, or have it added to the system's authorities."
)
"""What to do about a certificate that is not trusted."""


def context() -> ssl.SSLContext:
    """Return a TLS context that trusts the system's authorities (on Windows and macOS too) and SSL_CERT_FILE.

    Raises:
        OperatorMustAct: SSL_CERT_FILE does not name a file of certificates.
    """
    tls_context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for variable in _VARIABLES:
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            tls_context.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OperatorMustAct(f"{variable} names {path}, which holds no certificate (PEM): {reason}.") from error
    return tls_context
