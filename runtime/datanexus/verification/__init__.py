"""Test files of users: input and expected rows beside a pipeline, and the comparison of both by value. Pure."""
