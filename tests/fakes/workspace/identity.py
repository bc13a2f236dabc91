"""Who calls: the token check, the current user, and what a host says about itself."""

from __future__ import annotations

from dataclasses import dataclass

from .api import ApiError, Request, Response, Route, Routes


@dataclass(slots=True)
class Identity:
    """The one user of the workspace.

    Attributes:
        user_name: The name, as an e-mail address.
        user_id: The number of the user.
        token: The token that is accepted.
        workspace_id: The number of the workspace.
        account_id: The account of the workspace.
        expired: Whether the token has expired.
    """

    user_name: str = "someone@example.com"
    user_id: str = "7000000000000001"
    token: str = "dapi-fake-0123456789abcdef"
    workspace_id: str = "6000000000000001"
    account_id: str = "00000000-0000-4000-8000-000000000001"
    expired: bool = False

    def check(self, request: Request) -> None:
        """Lets a request with the right token pass.

        Raises:
            ApiError: 401 without a token or with one that has expired, 403 with a wrong one.
        """
        given = request.headers.get("authorization", "")
        if not given:
            text = "Credential was not sent or was of an unsupported type for this API."
            raise ApiError(401, 401, text)
        if given != f"Bearer {self.token}":
            raise ApiError(403, 403, "Invalid access token.")
        if self.expired:
            raise ApiError(401, "UNAUTHENTICATED", "The access token has expired.")

    def routes(self) -> Routes:
        """Me, and the discovery that the SDK does when a client is made."""
        return (
            Route.of("GET", "/api/2.0/preview/scim/v2/Me", self._me),
            Route.of("GET", "/.well-known/databricks-config", self._host_metadata, needs_token=False),
        )

    def _me(self, request: Request) -> Response:
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": self.user_id,
            "userName": self.user_name,
            "displayName": self.user_name.partition("@")[0],
            "emails": [{"type": "work", "value": self.user_name, "primary": True}],
            "active": True,
        }
        return Response.of_json(body, headers={"X-Databricks-Org-Id": self.workspace_id})

    def _host_metadata(self, request: Request) -> Response:
        return Response.of_json(
            {
                "oidc_endpoint": f"http://{request.headers['host']}/oidc",
                "account_id": self.account_id,
                "workspace_id": self.workspace_id,
                "cloud": "AWS",
            }
        )
