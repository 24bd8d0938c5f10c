"""The alert feed: the peers that subscribed to alerts.

It sends the events it is handed and forgets peers that are gone; what an alert is, the monitor decides.
"""

from typing import Any

import msgspec

from promptd.protocol.peers import Peer


class AlertFeed:
    """Called from the event loop only."""

    def __init__(self) -> None:
        self._peers: dict[Peer, None] = {}

    def __repr__(self) -> str:
        return f"<AlertFeed to {len(self._peers)} peers>"

    def __len__(self) -> int:
        return len(self._peers)

    def switch(self, peer: Peer, wanted: bool | None) -> bool:
        """Begin or stop sending alerts to a peer, None changes nothing; returns whether they are sent."""
        if wanted and not peer.is_closed:
            self._peers[peer] = None
        elif wanted is False:
            self.forget(peer)
        return peer in self._peers

    def forget(self, peer: Peer) -> None:
        """A peer is gone."""
        self._peers.pop(peer, None)

    def send(self, event: Any) -> None:
        """Send all of them a notification `alert`."""
        data = msgspec.json.encode(event) if self._peers else b""
        for peer in list(self._peers):
            if not peer.is_closed:
                peer.notify("alert", data)
