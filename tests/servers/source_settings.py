"""Settings that point a source to a loopback server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers.boond import BoondServer
    from tests.servers.dovecot import Dovecot
    from tests.servers.graph import GraphServer


def graph(server: GraphServer) -> dict[str, str]:
    """Variables for the source `graph_mail`; SSL_CERT_FILE is left to the environment."""
    return {
        "FUTURSCAM_GRAPH_TENANT": server.tenant,
        "FUTURSCAM_GRAPH_CLIENT_ID": server.client_id,
        "FUTURSCAM_GRAPH_CLIENT_SECRET": server.client_secret,
        "FUTURSCAM_GRAPH_MAILBOX": server.mailbox,
        "FUTURSCAM_GRAPH_URL": server.url,
        "FUTURSCAM_GRAPH_AUTHORITY": server.authority,
    }


def boond(server: BoondServer) -> dict[str, str]:
    """Variables for the source `boond`."""
    return {
        "FUTURSCAM_BOOND_URL": server.api_url,
        "FUTURSCAM_BOOND_USER_TOKEN": server.user_token,
        "FUTURSCAM_BOOND_CLIENT_TOKEN": server.client_token,
        "FUTURSCAM_BOOND_CLIENT_KEY": server.client_key,
    }


def dovecot(server: Dovecot, user: str) -> dict[str, str]:
    """Variables for the source `imap_mail`, with a password; SSL_CERT_FILE is left to the environment."""
    from tests.servers.dovecot import HOST, PASSWORD

    return {
        "FUTURSCAM_IMAP_HOST": HOST,
        "FUTURSCAM_IMAP_PORT": str(server.port),
        "FUTURSCAM_IMAP_USER": user,
        "FUTURSCAM_IMAP_PASSWORD": PASSWORD,
    }
