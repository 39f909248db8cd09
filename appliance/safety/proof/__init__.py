"""The proof of a matrix: every state that the real `step` can reach, by every road.

Nothing here is part of the running process. Inputs are the classes that the logic
distinguishes; the clock stands still, and time-outs are events that may come at any
moment, so that what is proved holds for every length of time.
"""
