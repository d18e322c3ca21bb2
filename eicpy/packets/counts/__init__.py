"""How sequence counts are judged: what each story costs, the cheapest one, and the words for it."""
