"""The dashboard: static files for a browser, and what the API must know to serve them."""
