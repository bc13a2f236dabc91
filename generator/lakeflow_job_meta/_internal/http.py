"""HTTP for what is told to other systems than Databricks."""

from __future__ import annotations

import urllib.request


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for what it is: nobody has taken the request. Python would follow it, with its headers."""

    def redirect_request(self, *arguments: object) -> None:
        return None
