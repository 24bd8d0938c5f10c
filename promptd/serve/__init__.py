"""The wing that answers: from a byte on a Unix socket to a call, and from a body to a reply.

wire.py (with frames.py and strict.py) is the protocol without a socket; binding.py gets the socket,
acceptor.py and admission.py let peers in, connection.py is one peer, turns.py gathers a loop turn's calls
into one batch, and listener.py owns them all. What a call means is handler.py's business.
"""
