"""Live tracking: newest frame first, and where its images go: a browser, a window, a file, a pipe."""
