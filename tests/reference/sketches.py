"""The two sketches in plain Python."""


def distinct(values, kind):
    return len(set(values))


def quantile(values, q):
    return sorted(values)[int(q * (len(values) - 1))]
