"""Addresses of the other side, as sockets and proxies tell them.

Belongs here: reading them. Does not belong here: what of them is believed, counted or written.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address


def parsed(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a text says, None if it says none; as IPv4 where a socket of both kinds tells it within IPv6."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
