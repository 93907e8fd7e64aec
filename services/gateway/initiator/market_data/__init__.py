"""A venue's market by FIX: asked for, kept in books, and published as any other feed."""
