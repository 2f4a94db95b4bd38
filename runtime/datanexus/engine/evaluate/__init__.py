"""Bound expressions run over batches of columns: `evaluator.compile_expression`, `evaluator.compile_aggregate_input`.

Values and failures equal PostgreSQL's; a record whose expression fails gets a `faults.Failure`, never a wrapped value.
"""
