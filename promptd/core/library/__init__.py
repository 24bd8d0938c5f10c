"""Every component held, what its directives lead to, the graph between them, and plans and checks of it."""
