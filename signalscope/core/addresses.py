"""The address that a request came from, where proxies stand between: no client can forge it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Stands among the networks for a proxy that is connected by a Unix socket, without an address.
UNIX = "unix"
# So many characters at the end of a header are looked at: proxies add their entries there.
MAX_HEADER_LENGTH = 4096
MAX_ADDRESS_LENGTH = 100

_KEYS = {"X-Forwarded-For": "HTTP_X_FORWARDED_FOR", "Forwarded": "HTTP_FORWARDED"}
# [2001:db8::1]:4711, 192.0.2.1:4711, and both without a port. Source: RFC 7239, 6.
_NODE = re.compile(r"(?:\[([^\[\]]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")
# for=192.0.2.1;by="_proxy". Source: RFC 7239, 4.
_PAIR = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^\s;"]*)\s*(?:;|$)', re.DOTALL)


def client_address(
    meta: Mapping[str, Any], trusted: int | Sequence[str], header: str | None
) -> str:
    """
    Return the client's address, "" where it is not known.

    meta: request.META.
    trusted: how many proxies there are, or their networks and "unix": see find_networks().
    header: the one that the proxies write; with None it is X-Forwarded-For or Forwarded, and
    neither counts where both are there and do not agree.
    """
    remote = meta.get("REMOTE_ADDR") or ""
    peer = parse_address(remote)
    found = set()
    for name in _KEYS if header is None else (header,):
        value = meta.get(_KEYS[name])
        if trusted and value:
            entries = map(parse_address, _forwarded(value) if name == "Forwarded" else _list(value))
            found.add(
                _by_count(peer, entries, trusted)
                if isinstance(trusted, int)
                else _by_networks(peer, entries, trusted, is_unix=not remote)
            )
    address = found.pop() if len(found) == 1 else peer
    return "" if address is None else str(address)


def parse_address(text: str) -> Address | None:
    """
    Return the address of an entry, without port and zone; None where it is none.

    An IPv4 address in IPv6 (::ffff:192.0.2.1) becomes IPv4.
    """
    text = text.strip()
    if len(text) > MAX_ADDRESS_LENGTH:
        return None
    node = _NODE.fullmatch(text)
    try:
        address = ip_address((node[1] or node[2]) if node else text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # The number is without the zone.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def shorten(address: str) -> str:
    """Return an address without what tells a person: /24 of IPv4, /48 of IPv6."""
    parsed = parse_address(address)
    if parsed is None:
        return ""
    return str(ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False)[0])


@lru_cache(maxsize=16)
def find_networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    """
    Return the networks among what is trusted.

    Raises ValueError for what is neither a network or address nor "unix".
    """
    return tuple(ip_network(text) for text in trusted if text != UNIX)


def _by_count(
    peer: Address | None, entries: Iterator[Address | None], count: int
) -> Address | None:
    """Return the entry that the first of so many proxies wrote, the peer where that is missing."""
    last = peer
    for number, address in enumerate(entries, 1):
        if address is None:
            return last
        if number == count:
            return address
        last = address
    return peer


def _by_networks(
    peer: Address | None,
    entries: Iterator[Address | None],
    trusted: Sequence[str],
    *,
    is_unix: bool,
) -> Address | None:
    """Return the first address, from the peer on, that is no proxy's."""
    networks = find_networks(tuple(trusted))

    def is_proxy(address: Address) -> bool:
        return any(address in network for network in networks)

    if not (is_unix and UNIX in trusted if peer is None else is_proxy(peer)):
        return peer
    last = peer
    for address in entries:
        if address is None:
            # Who wrote that is trusted, but does not say who it was.
            return last
        if not is_proxy(address):
            return address
        last = address
    return last


def _list(value: str) -> Iterator[str]:
    """
    Yield the entries of a header from right to left.

    Commas in quotes do not count. From the right no quote that a client left open can swallow
    what the proxies wrote after it.
    """
    text = value[-MAX_HEADER_LENGTH:]
    end, is_quoted = len(text), False
    for place in range(end - 1, -1, -1):
        character = text[place]
        if character == '"' and not _is_escaped(text, place):
            is_quoted = not is_quoted
        elif character == "," and not is_quoted:
            yield text[place + 1 : end]
            end = place
    # What was cut off may be a part of the last one.
    yield text[:end] if len(text) == len(value) else ""


def _is_escaped(text: str, place: int) -> bool:
    start = place
    while start and text[start - 1] == "\\":
        start -= 1
    return (place - start) % 2 == 1


def _forwarded(value: str) -> Iterator[str]:
    """Yield the "for" of each element of a Forwarded header, right to left; "" for none."""
    for element in _list(value):
        yield _for(element)


def _for(element: str) -> str:
    found, place = "", 0
    while place < len(element):
        pair = _PAIR.match(element, place)
        if pair is None or (found and pair[1].lower() == "for"):
            # Not as a proxy writes it.
            return ""
        if pair[1].lower() == "for":
            found = pair[2]
        place = pair.end()
    if found.startswith('"'):
        return re.sub(r"\\(.)", r"\1", found[1:-1])
    return found
