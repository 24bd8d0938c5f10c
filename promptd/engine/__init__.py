"""The pure engine: components, graph, plans, assembly. No clock, no files, no sockets, no loop."""
