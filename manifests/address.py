"""Addresses of object storage that may hold credentials: how to show them, and how to tell places apart without them."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_HIDDEN = "***"
_HARMLESS = frozenset({"endpoint_override", "scheme", "region"})
# In running text, also where a path made one slash of two; up to the last @ of a word, for a secret may hold slashes.
_IN_TEXT = re.compile(r"(?<![\w+.-])([A-Za-z][\w+.-]*:/{1,2})[^\s'\"<>/]*:[^\s'\"<>]*@")


def hide_credentials(uri: str) -> str:
    """An address as it may be shown: without user, password and settings that may be secret."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    place, mark, query = rest.partition("?")
    host = place.partition("/")[0]
    if "@" in host:
        place = f"{_HIDDEN}@{host.rpartition('@')[2]}{place[len(host) :]}"
    elif ":" in host and "@" in place:  # a secret with a slash
        place = f"{_HIDDEN}@{place.rpartition('@')[2]}"
    settings = [
        setting if setting.partition("=")[0] in _HARMLESS else f"{setting.partition('=')[0]}={_HIDDEN}"
        for setting in query.split("&")
    ]
    return f"{scheme}://{place}{mark}{'&'.join(settings) if mark else ''}"


def hide_in_text(text: str) -> str:
    """Text without the credentials of addresses that it quotes."""
    return _IN_TEXT.sub(rf"\g<1>{_HIDDEN}@", text)


def clean_message(text: str, uri: str) -> str:
    """What a library says of an address, without the credentials in it, in one line."""
    for secret in sorted(_list_secrets(uri), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return " ".join(hide_in_text(text).split())


def has_credentials(uri: str) -> bool:
    """Whether an address holds what should not be shown."""
    return hide_credentials(uri) != uri


def drop_credentials(uri: str) -> str:
    """The address of the same place for everybody: without user and password."""
    parts = urlsplit(uri)
    return uri if "@" not in parts.netloc else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _list_secrets(uri: str) -> set[str]:
    """Parts of an address that must not be shown, as they stand there and decoded."""
    place, _, query = uri.partition("://")[2].partition("?")
    user, separator, _ = place.rpartition("@")
    hidden = [*user.partition(":")[::2], user] if separator and has_credentials(uri.partition("?")[0]) else []
    hidden += [value for name, _, value in (each.partition("=") for each in query.split("&")) if name not in _HARMLESS]
    return {form for secret in hidden for form in (secret, unquote(secret)) if len(form) > 2}
