"""The flat codec: Cap'n Proto messages at constant offsets. Most users want `tapewire.messages`."""
