"""From a byte on a Unix socket to a call, and from a result to a reply.

The transport half (listener, acceptor, admission, binding, connection, outbox, batching, timeouts, peer,
rejected) moves bytes and knows no method; the application half (dispatch, request_metrics, subscriptions,
alert_feed) answers calls and knows no socket. local_peer asks the application half without the other.
"""
