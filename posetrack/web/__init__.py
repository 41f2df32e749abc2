"""A server for pages in the browser: bounded connections, a token for other machines, one thread."""
