"""Tapes into Kafka: a topic for each, the position in the topic itself."""
