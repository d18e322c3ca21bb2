"""What only the ground can do: every window searched, a likelihood seeded with a time, null data."""
