"""A backend behind a URL: one conversation over Streamable HTTP, a POST per call."""
