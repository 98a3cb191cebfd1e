"""The demo: a market replayed through three AI modules, as a platform would run them."""
