"""Feature table → bundle, with scikit-learn; a short-lived process of its own."""
