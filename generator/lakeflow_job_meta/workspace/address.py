"""Whether anybody answers at the address of a workspace: its name, a connection, TLS. Sends no request, and no login.

The databricks CLI and its SDK try for minutes, in silence, to reach a host that is not there.
"""

from __future__ import annotations

import configparser
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

LOOK_SECONDS = 10.0
_LOOPBACK = ("localhost", "127.", "::1")


def address_of_profile(name: str | None, environment: Mapping[str, str]) -> str | None:
    """Returns the host of a profile in the file of the databricks CLI; None where that cannot be read."""
    path = Path(environment.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg")
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(path.expanduser().read_text(encoding="utf-8"))
        return parser[name or "DEFAULT"].get("host")
    except (OSError, RuntimeError, ValueError, KeyError, configparser.Error):
        return None


def why_nobody_answers(address: str, seconds: float | None = None) -> str | None:
    """Looks at an address such as `https://adb-1.azuredatabricks.net`, or at the proxy that is in between.

    Returns a sentence with the host and what to check; None where somebody answers, or nobody can know.
    """
    seconds = LOOK_SECONDS if seconds is None else seconds
    url = urlsplit(address if "://" in address else f"https://{address}")
    proxy = _proxy_of(url.scheme, url.hostname or "")
    shown = f"{url.hostname}{f', through the proxy {proxy.hostname}' if proxy is not None else ''}"
    problem = [f"nothing within {seconds:g} seconds"]
    is_over = threading.Event()
    # A thread, since the name alone may take longer, and has no limit; it is left behind.
    threading.Thread(target=_look, args=(proxy or url, seconds, problem, is_over), daemon=True).start()
    is_over.wait(seconds)
    if not problem:
        return None
    return (
        f"The workspace does not answer at {shown} ({problem[0]}). Check the address (`workspace.host`, "
        "DATABRICKS_HOST or the profile), the network, the VPN and the proxy."
    )


def _look(place: SplitResult, seconds: float, problem: list[str], is_over: threading.Event) -> None:
    scheme = place.scheme
    try:
        address = (place.hostname or "", place.port or (443 if scheme == "https" else 80))
        with socket.create_connection(address, timeout=seconds) as connection:
            if scheme == "https":
                problem[:] = [f"a connection, but no TLS within {seconds:g} seconds"]
                _shake_hands(connection, address[0])
            problem.clear()
    except socket.gaierror as error:
        problem[:] = [f"its name cannot be looked up: {error.strerror}"]
    except TimeoutError:
        pass  # the problem says so already
    except (OSError, ValueError) as error:
        problem[:] = [str(getattr(error, "strerror", None) or error)]
    finally:
        is_over.set()


def _shake_hands(connection: socket.socket, host: str) -> None:
    # Nothing is sent, so whose certificate it is does not matter: the CLI decides that, with authorities of its own.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.wrap_socket(connection, server_hostname=host).close()


def _proxy_of(scheme: str, host: str) -> SplitResult | None:
    """Returns the proxy that the environment names for a host, as the CLI reads it: none for this machine itself."""
    # With it come HTTP and mail, which whoever imports this package would wait for.
    import urllib.request

    if host.startswith(_LOOPBACK) or urllib.request.proxy_bypass(host):
        return None
    found = urllib.request.getproxies().get(scheme)
    return urlsplit(found if "://" in found else f"http://{found}") if found else None
