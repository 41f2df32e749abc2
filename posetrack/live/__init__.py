"""Live tracking of a camera or stream: always the newest frame, shown in a browser or window, or recorded."""
