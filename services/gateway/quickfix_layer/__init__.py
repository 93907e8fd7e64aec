"""QuickFIX: the session layer. Nothing outside of this folder knows that it is this one."""
