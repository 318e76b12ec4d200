"""The curated set on disk: its plan, folders, metadata, report, and edits that people made by hand."""
