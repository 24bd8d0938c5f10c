"""From a byte on a Unix socket to a call, and from a result to a reply.

The transport half (listener, connection, acceptor, admission, binding, batching, timeouts, peer) moves bytes
and knows no method; the application half (dispatch, subscriptions, alert_feed) answers calls and knows no
socket.
"""
