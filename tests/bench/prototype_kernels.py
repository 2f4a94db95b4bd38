"""Kernels of the prototype: a speculative JSON scanner, a hash set of two generations, a columnar store of groups.

They do the bare work for one fixed record and four aggregates, with no nulls, no types, no recovery: the speed the
engine is measured against. A line the scanner is not sure of gets status 2 and goes to a strict decoder.
"""

import numba
import numpy as np

INTEGER, TEXT, TIME_MS = 0, 1, 2
_U = np.uint64
STOPS = np.zeros(256, np.uint8)  # bytes that end a plain string or make it doubtful
STOPS[:32] = STOPS[128:] = 1
STOPS[[ord('"'), ord("\\")]] = 1
kernel = numba.njit(cache=True, nogil=True)


@numba.njit(cache=True, nogil=True, inline="always")
def _two(data, at):
    return (np.int64(data[at]) - 48) * 10 + np.int64(data[at + 1]) - 48


@kernel
def _iso_ms(data, start, length):
    """Milliseconds of `YYYY-MM-DDTHH:MM:SS[.fff]Z`; -1 where it is anything else."""
    if length < 20 or data[start + 4] != 45 or data[start + 7] != 45 or data[start + 13] != 58:
        return np.int64(-1)
    if data[start + 16] != 58 or data[start + length - 1] != 90:
        return np.int64(-1)
    if data[start + 10] != 84 and data[start + 10] != 32:
        return np.int64(-1)
    for offset in (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18):
        if data[start + offset] < 48 or data[start + offset] > 57:
            return np.int64(-1)
    year = _two(data, start) * 100 + _two(data, start + 2)
    month, day = _two(data, start + 5), _two(data, start + 8)
    hour, minute, second = _two(data, start + 11), _two(data, start + 14), _two(data, start + 17)
    if month < 1 or month > 12 or day < 1 or day > 31 or hour > 23 or minute > 59 or second > 60:
        return np.int64(-1)
    fraction = 0
    if length > 20:
        if data[start + 19] != 46 or length < 22:
            return np.int64(-1)
        weight = 100
        for at in range(start + 20, start + length - 1):
            if data[at] < 48 or data[at] > 57:
                return np.int64(-1)
            fraction += weight * (np.int64(data[at]) - 48)
            weight //= 10
    if month <= 2:
        year -= 1
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return ((days * 24 + hour) * 60 + minute) * 60000 + second * 1000 + fraction


@kernel
def scan(data, names, name_ends, kinds, places, integers, spans, status, line_starts, stops):  # noqa: C901  a scanner is one loop
    """Lines to columns. Fields are expected in the order they came in last; returns the number of lines."""
    size, fields = data.size, kinds.size
    at, line, expected, complete = 0, 0, 0, (1 << kinds.size) - 1
    while at < size:
        line_starts[line] = at
        here, seen, state = at, 0, 2
        if data[here] == 123:
            here += 1
            while True:
                if here >= size or data[here] != 34:
                    break
                name, field = here + 1, -1
                length = name_ends[expected + 1] - name_ends[expected]
                if name + length + 1 < size and data[name + length] == 34:
                    same = True
                    for offset in range(length):
                        if data[name + offset] != names[name_ends[expected] + offset]:
                            same = False
                            break
                    if same:
                        field = expected
                if field >= 0:
                    here = name + length + 1
                else:
                    end = name
                    while end < size and stops[data[end]] == 0:
                        end += 1
                    if end >= size or data[end] != 34:
                        break
                    for other in range(fields):
                        if name_ends[other + 1] - name_ends[other] == end - name:
                            same = True
                            for offset in range(end - name):
                                if data[name + offset] != names[name_ends[other] + offset]:
                                    same = False
                                    break
                            if same:
                                field = other
                                break
                    here = end + 1
                if field >= 0:
                    if (seen >> field) & 1:
                        break
                    seen |= 1 << field
                    expected = field + 1 if field + 1 < fields else 0
                if here + 1 >= size or data[here] != 58:
                    break
                here += 1
                if data[here] == 32:
                    here += 1
                if data[here] == 34:
                    start = here + 1
                    end = start
                    while end < size and stops[data[end]] == 0:
                        end += 1
                    if end >= size or data[end] != 34:
                        break
                    if field >= 0:
                        if kinds[field] == 1:
                            spans[places[field], line, 0] = start
                            spans[places[field], line, 1] = end - start
                        elif kinds[field] == 2:
                            time = _iso_ms(data, start, end - start)
                            if time < 0:
                                break
                            integers[places[field], line] = time
                        else:
                            break
                    here = end + 1
                else:
                    negative = data[here] == 45
                    if negative:
                        here += 1
                    start = here
                    value = np.int64(0)
                    while here < size and 48 <= data[here] <= 57:
                        value = value * 10 + (np.int64(data[here]) - 48)
                        here += 1
                    digits = here - start
                    if digits == 0 or digits > 18 or (digits > 1 and data[start] == 48) or here >= size:
                        break
                    if data[here] == 46 or data[here] == 101 or data[here] == 69:
                        break
                    if field >= 0:
                        if kinds[field] != 0:
                            break
                        integers[places[field], line] = -value if negative else value
                if here >= size:
                    break
                if data[here] == 44:
                    here += 1
                    if here < size and data[here] == 32:
                        here += 1
                    continue
                if data[here] == 125:
                    here += 1
                    if (here == size or data[here] == 10) and seen == complete:
                        state = 0
                break
        while here < size and data[here] != 10:
            here += 1
        if here > at:
            status[line] = state
            line += 1
        at = here + 1
    line_starts[line] = at
    return line


@kernel
def hash_spans(data, spans, count, hashes):
    """A 64-bit hash of each span, never 0."""
    for row in range(count):
        mixed = _U(0x9E3779B97F4A7C15)
        start = spans[row, 0]
        for at in range(start, start + spans[row, 1]):
            mixed = (mixed ^ _U(data[at])) * _U(0x100000001B3)
        mixed ^= mixed >> _U(29)
        mixed *= _U(0xBF58476D1CE4E5B9)
        hashes[row] = (mixed ^ (mixed >> _U(32))) | _U(1)


@kernel
def keep_new(current, old, mask, hashes, keep, count):
    """Clear `keep` for repeats and remember the rest in `current`; returns how many were new."""
    new = 0
    for row in range(count):
        if not keep[row]:
            continue
        wanted = hashes[row]
        first = (wanted >> _U(3)) & mask
        place, fresh = first, True
        while current[place] != 0:
            if current[place] == wanted:
                fresh = False
                break
            place = (place + _U(1)) & mask
        if fresh:
            other = first
            while old[other] != 0:
                if old[other] == wanted:
                    fresh = False
                    break
                other = (other + _U(1)) & mask
        if fresh:
            current[place] = wanted
            new += 1
        keep[row] = fresh
    return new


@kernel
def _mix(value):
    value = (value ^ (value >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> _U(27))) * _U(0x94D049BB133111EB)
    return value ^ (value >> _U(31))


@kernel
def fold(table, table_slots, mask, slots, keys, windows, counts, sums, least, greatest, key, window, value):
    """Find or make the slot of each (key, window) and fold its value in; returns the number of slots."""
    for row in range(key.size):
        wanted = _mix(_U(key[row]) * _U(0x9E3779B97F4A7C15) + _U(window[row])) | _U(1)
        place = (wanted >> _U(7)) & mask
        while True:
            if table[place] == 0:
                table[place] = wanted
                table_slots[place] = slots
                keys[slots] = key[row]
                windows[slots] = window[row]
                counts[slots] = 1
                sums[slots] = value[row]
                least[slots] = value[row]
                greatest[slots] = value[row]
                slots += 1
                break
            if table[place] == wanted:
                slot = table_slots[place]
                if keys[slot] == key[row] and windows[slot] == window[row]:
                    counts[slot] += 1
                    sums[slot] += value[row]
                    least[slot] = min(least[slot], value[row])
                    greatest[slot] = max(greatest[slot], value[row])
                    break
            place = (place + _U(1)) & mask
    return slots


@kernel
def index_slots(table, table_slots, mask, keys, windows, count):
    """Enter slots 0 … count − 1 into an empty table."""
    for slot in range(count):
        wanted = _mix(_U(keys[slot]) * _U(0x9E3779B97F4A7C15) + _U(windows[slot])) | _U(1)
        place = (wanted >> _U(7)) & mask
        while table[place] != 0:
            place = (place + _U(1)) & mask
        table[place] = wanted
        table_slots[place] = slot
