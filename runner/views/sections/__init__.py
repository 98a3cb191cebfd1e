"""What a page of the dashboard and the report show, once: sections by subject, in their order."""
