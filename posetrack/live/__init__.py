"""Live tracking: newest frame first, and where its pictures go: a browser, a window, a file, a pipe."""
