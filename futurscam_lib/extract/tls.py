"""Whom to trust: the system's authorities, and one of one's own in SSL_CERT_FILE."""

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
    """A TLS context that trusts what the system trusts (Windows' and macOS' own stores too), and SSL_CERT_FILE.

    Raises:
        OperatorMustAct: SSL_CERT_FILE names no file of certificates.
    """
    made = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for variable in _VARIABLES:
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            made.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OperatorMustAct(f"{variable} names {path}, which holds no certificate (PEM): {reason}.") from error
    return made
