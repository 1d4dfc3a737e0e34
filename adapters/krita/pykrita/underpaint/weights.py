"""Weights in a prompt, `(a red cat:1.2)`, raised and lowered where the cursor is: text in, text out. See docs/prompts.md."""

import re

STEP = 0.1
LEAST, MOST = 0.0, 10.0
"""Beyond what any model follows."""
PLAIN = 1.1
"""What brackets without a number weigh."""

_WEIGHT = re.compile(r":\s*(-?[0-9]*\.?[0-9]+)\s*$")
_WORD = re.compile(r"[^\s,.;:()\[\]{}|<>\\]+")


def reweighted(text, start, end, steps):
    """Raises the weight of what lies from `start` to `end` of `text`, or of the word or group the cursor is in where both are
    the same, by `steps` tenths. Returns (text, start, end), the same thing still selected; None if there is nothing to weigh."""
    group = _group(text, start, end)
    if group is None:
        if start == end:
            word = next((found for found in _WORD.finditer(text) if found.start() <= start <= found.end()), None)
            if word is None:
                return None
            start, end = word.span()
        else:
            while start < end and text[start].isspace():
                start += 1
            while end > start and text[end - 1].isspace():
                end -= 1
            if start == end or not _balanced(text[start:end]):
                return None
        group = _group(text, start, end)
    opened, closed, weight = group or (start, end, None)
    inner = text[opened + 1:closed - 1] if group else text[start:end]
    inner = _WEIGHT.sub("", inner) if group else inner
    value = round(min(MOST, max(LEAST, (1.0 if weight is None else weight) + steps * STEP)), 2)
    new = inner if value == 1 else "(%s:%g)" % (inner, value)
    inside = 0 if value == 1 else 1
    return text[:opened] + new + text[closed:], opened + inside, opened + inside + len(inner)


def reweighted_units(text, start, end, steps):
    """The same where positions count UTF-16 units, as Qt's do: a character like 🐱 is two."""
    found = reweighted(text, _characters(text, start), _characters(text, end), steps)
    return found and (found[0], _units(found[0], found[1]), _units(found[0], found[2]))


def _characters(text, units):
    return len(text.encode("utf-16-le", "surrogatepass")[:2 * units].decode("utf-16-le", "surrogatepass"))


def _units(text, characters):
    return len(text[:characters].encode("utf-16-le", "surrogatepass")) // 2


def _group(text, start, end):
    """(from, to, weight) of the brackets whose content is `start`..`end`, or which a cursor is in; None if there are none."""
    found = None
    for opened, closed in _pairs(text):
        inner = text[opened + 1:closed - 1]
        number = _WEIGHT.search(inner)
        weight = float(number.group(1)) if number else PLAIN
        body = (opened + 1, closed - 1 - (len(inner) - number.start() if number else 0))
        fits = opened < start and end < closed if start == end else (start, end) in (body, (opened, closed), (opened + 1, closed - 1))
        if fits and (found is None or opened > found[0]):
            found = opened, closed, weight
    return found


def _pairs(text):
    """(from, to) of the round brackets that have a partner and are no signs (`\\(`)."""
    waiting, at = [], 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "(":
            waiting.append(at)
        elif text[at] == ")" and waiting:
            yield waiting.pop(), at + 1
        at += 1


def _balanced(text):
    depth, at = 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in "()":
            depth += 1 if text[at] == "(" else -1
            if depth < 0:
                return False
        at += 1
    return depth == 0
