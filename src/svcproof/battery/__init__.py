"""A compact set of questions that a right cluster answers, each a history and a verdict."""
