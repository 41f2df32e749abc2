"""Poses looked at and corrected in the browser: `session` is the work, `site` serves it to the page."""
