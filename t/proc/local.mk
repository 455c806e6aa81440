# One process over pipes, no root.
