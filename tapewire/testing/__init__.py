"""Fakes that ship with the library, so that whoever builds on it tests as we do: nothing is monkeypatched."""
