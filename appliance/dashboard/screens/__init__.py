"""One file per screen: they show, and hold no state but where the cursor is."""
