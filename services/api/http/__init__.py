"""HTTP: connections, the table of endpoints, the OpenAPI document made from it."""
