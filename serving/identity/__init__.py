"""Who is asking, and what they may do: roles, tokens, passwords, and how often one may try."""
