"""What policies come to for pods, and what their changes do: the rows of egress 6, judged."""
