"""The classes models are made of: scikit-learn estimators with additive attributions. Imported lazily."""
