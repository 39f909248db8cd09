"""The learned half at the edge: windows → score → health → remaining life."""
