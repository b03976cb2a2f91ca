"""All cases of the differential tests, by topic."""

from __future__ import annotations

from interop.cases import actions, builtin, flow, keywords, matching, regexps, signalling, strangers, timing, unexpected

CASES = [
    case
    for topic in (actions, regexps, flow, matching, keywords, signalling, unexpected, strangers, timing, builtin)
    for case in topic.CASES
]
