"""Who deploys, and the names that the databricks CLI derives of that. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_UUID = re.compile(
    r"(urn:uuid:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}|[0-9a-f]{32}",
    re.IGNORECASE,
)
"""The forms that the CLI takes for a UUID (github.com/google/uuid, Parse)."""


@dataclass(frozen=True, slots=True)
class Login:
    """The user or service principal that is logged in.

    Attributes:
        name: A mail address; of a service principal its application id.
        cloud: Where the workspace is: `aws`, `azure` or `gcp`.
    """

    name: str
    display_name: str = ""
    cloud: str = "aws"

    @property
    def is_service_principal(self) -> bool:
        """Whether the CLI takes it for one: the name is a UUID (libs/iamutil/service_principal.go)."""
        return _UUID.fullmatch(self.name) is not None

    @property
    def short_name(self) -> str:
        """`${workspace.current_user.short_name}`: letters and digits of what stands before the `@`, in lower case.

        libs/iamutil/user.go, and NormalizeString of libs/textutil/textutil.go.
        """
        name = self.display_name if self.is_service_principal and self.display_name else self.name
        local = name.partition("@")[0]
        # One character stays one, as for Go; `lower` makes two of a few.
        lower = (character.lower()[0] for character in local)
        return re.sub("_+", "_", "".join(each if _is_letter_or_digit(each) else "_" for each in lower)).strip("_")

    @property
    def domain_friendly_name(self) -> str:
        """`${workspace.current_user.domain_friendly_name}` (libs/iamutil/user.go)."""
        plain = _without_marks(self.short_name)
        return "".join(each if each.isascii() and each.isalnum() else "-" for each in plain).lower()

    @property
    def tag(self) -> str:
        """The value of the tag `dev`: the short name, as far as the cloud takes it.

        libs/tags/aws.go, azure.go and gcp.go, as far as letters, digits and `_` are concerned.
        """
        text = self.short_name if self.cloud == "azure" else _without_marks(self.short_name)
        allowed = 0x7F if self.cloud == "gcp" else 0xFF
        tag = "".join(each if ord(each) <= allowed else "_" for each in text)
        return tag.strip("_") if self.cloud == "gcp" else tag


def _is_letter_or_digit(character: str) -> bool:
    return character.isalpha() or character.isdecimal()


def _without_marks(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(each for each in decomposed if unicodedata.category(each) != "Mn"))
