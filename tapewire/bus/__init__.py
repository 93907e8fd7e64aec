"""The bus as everyone else sees it: every subject, who may use it, the schemas, discovery, keys."""
