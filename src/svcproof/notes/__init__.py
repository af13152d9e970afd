"""The study notes' thirteen experiments, as scripts of real steps with a check each.

``model`` and the writers are plain values in, text out; ``stage`` is where steps
happen: it runs kubectl, measures, and tells each step to whoever listens.
"""
