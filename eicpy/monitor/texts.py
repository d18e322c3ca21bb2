"""The words of the terminal monitor: each reason of the verdict as a sentence."""

from collections.abc import Mapping

from eicpy.acquisition.status import Reason
from eicpy.errors import readable
from eicpy.text import counted, grouped, size_text, span_text

__all__ = ["reason_text"]

_TEXTS = {
    "part-dead": "{who} is DEAD: last status {age} ago was '{state}'",
    "part-failed": "{who} failed: {text}",
    "part-silent": "{who} does not respond: no status for {age}",
    "no-space": "NO SPACE: reception is paused, {free} free",
    "no-archive": "NO ARCHIVE: it cannot be written, reception is paused",
    "run-gone": "RUN GONE, {age} ago: {text}",
    "given-up": "{who} was given up after {restarts} restarts",
    "receiver-error": "receiver: {text}",
    "disk-alarm": "disk full in {seconds}, {free} free",
    "disk-attention": "disk full in {seconds}, {free} free",
    "little-space": "little space on the disk: {free} free",
    "starting": "the chain is starting, for {age} now: nothing is received yet",
    "no-receiver": "nothing receives: no receiver was ever started here",
    "receiver-ended": "nothing receives: the receiver was stopped {age} ago",
    "lost": "{packets} lost of {name}, the last {age} ago",
    "damaged": "{packets} damaged of {name}, the last {age} ago",
    "duplicated": "{packets} duplicated of {name}, the last {age} ago",
    "out_of_order": "{packets} out of order of {name}, the last {age} ago",
    "out_of_step": "{packets} with a count out of step of {name}, the last {age} ago",
    "counter_restarted": "the counter of {name} restarted {times}, the last time {age} ago",
    "udp-dropped": "{datagrams} UDP datagrams dropped by the system, the last {age} ago",
    "foreign-bytes": "{bytes} that are part of no packet, the last {age} ago",
    "part-error": "{part}: {text}",
    "behind": "{part} is {seconds} behind ({bytes})",
    "restarted": "{part} crashed and was restarted, {restarts} in all, the last {age} ago",
    "connections-closed": (
        "{connections} connections were closed because there were too many ({open} are open), "
        "the last {age} ago"
    ),
    "link-refused": "{address} was refused: it is no peer",
    "nobody-sends": "nobody sends: no connection is open",
    "link-silent": "{address} is connected and sends nothing for {age}",
    "unknown-apid": "{packets} of APID {apid}, which is not this instrument's",
    "unreadable": "{what} cannot be read: {text}",
}
_LAST = ", the last {age} ago"
_LAST_TIME = ", the last time {age} ago"
_WORDS = {
    "age": span_text,
    "seconds": span_text,
    "free": size_text,
    "bytes": size_text,
    "packets": lambda n: counted(n, "packet"),
    "datagrams": grouped,
    "connections": grouped,
    "open": grouped,
    "restarts": grouped,
}


def reason_text(reason: Reason, *, watched: bool = True) -> str:
    """A reason in words, on one line.

    Parameters
    ----------
    reason
        One of the verdict.
    watched
        Whether the chain was watched before: a single reading cannot show when a count rose.

    Examples
    --------
    >>> reason_text(Reason("disk-alarm", {"seconds": 1800.0, "free": 2.5e9}))
    'disk full in 30 min 0 s, 2.5 GB free'
    """
    words = {name: _word(name, value) for name, value in reason.values.items()}
    if reason.code == "counter_restarted":
        words["times"] = counted(int(reason.values["packets"]), "time")
    if "apid" in words and "name" in words:
        words["name"] = _packets_of(reason.values)
    if "part" in words:
        words["who"] = _who(words["part"], words.get("role", ""))
    text = _TEXTS[reason.code] if watched else _since_the_start(_TEXTS[reason.code])
    return readable(text.format_map(words))


def _since_the_start(text: str) -> str:
    return text.replace(_LAST, " since the start").replace(_LAST_TIME, " since the start")


def _word(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    return _WORDS.get(name, str)(value)


def _packets_of(values: Mapping[str, float | str]) -> str:
    known = f" {values['name']}" if values["name"] else ""
    return f"{'telecommands ' if values.get('command') else ''}APID {values['apid']}{known}"


def _who(part: str, role: str) -> str:
    return part if role in {part, ""} else f"{role} {part}"
