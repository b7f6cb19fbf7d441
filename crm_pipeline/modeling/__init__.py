"""Learning, judging, choosing and explaining: DataFrames in, plain objects out. No files, Dagster or MLflow here.

The modules a caller uses: `tasks`, `training.fit`, `prediction`, `explain`, `reasons`, `level`, `baselines`,
`evaluation` and `promotion`. An estimator is one file and one entry in `estimators/`.
"""
