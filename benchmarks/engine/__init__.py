"""The engine against its peers and floors, one command each."""
