"""An MCP prompt server on the official SDK, as its documentation writes one: one prompt, over stdio.

It holds the text in memory and neither reads, includes nor counts: the most favourable case for it.
"""

import sys
from pathlib import Path

from mcp.server import MCPServer

server = MCPServer("bench")
_text = Path(sys.argv[1]).read_text(encoding="utf-8")


@server.prompt()
def main() -> str:
    """The prompt."""
    return _text


if __name__ == "__main__":
    server.run()
