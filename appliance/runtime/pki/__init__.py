"""Whom we trust, and who we are: certificates in a folder, judged with exact reasons.

`certificate` reads one, `judge` says whether it holds (pure), `own` makes ours (pure),
`folder` keeps them on disk, `expiry` says which ones end soon (pure).
"""
