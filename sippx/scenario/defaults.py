"""The default messages: what a call sends outside its scenario, compiled like scenario text."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from sippx._core.codes import DefaultMessage
from sippx.scenario.model import DefaultName, Template
from sippx.scenario.template_text import parse_template

DEFAULT_NAMES: MappingProxyType[DefaultMessage, DefaultName] = MappingProxyType(
    {
        DefaultMessage.DEFAULT_200: "200",
        DefaultMessage.DEFAULT_ACK: "ack",
        DefaultMessage.DEFAULT_BYE: "bye",
        DefaultMessage.DEFAULT_CANCEL: "cancel",
        DefaultMessage.DEFAULT_TWIN_ABORT: "3pcc_abort",
    }
)
"""The <DefaultMessage id> that replaces each default message."""

_CONTACT = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>\n"
_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"

DEFAULT_TEXTS: MappingProxyType[DefaultMessage, str] = MappingProxyType(
    {
        DefaultMessage.DEFAULT_200: (
            "SIP/2.0 200 OK\n"
            "[last_Via:]\n"
            "[last_From:]\n"
            "[last_To:]\n"
            "[last_Call-ID:]\n"
            "[last_CSeq:]\n"
            "Contact: <sip:[local_ip]:[local_port];transport=[transport]>\n"
            "Content-Length: 0\n"
            "\n"
        ),
        DefaultMessage.DEFAULT_ACK: (
            "ACK [last_Request_URI] SIP/2.0\n"
            "[last_Via]\n"
            "[last_From]\n"
            "[last_To]\n"
            "Call-ID: [call_id]\n"
            "CSeq: [last_cseq_number] ACK\n" + _CONTACT + "Max-Forwards: 70\n"
            "Subject: Performance Test\n"
            "Content-Length: 0\n"
            "\n"
        ),
        DefaultMessage.DEFAULT_BYE: (
            "BYE [next_url] SIP/2.0\n" + _VIA + "[routes]\n"
            "[last_From]\n"
            "[last_To]\n"
            "Call-ID: [call_id]\n"
            "CSeq: [last_cseq_number+1] BYE\n"
            "Max-Forwards: 70\n" + _CONTACT + "Content-Length: 0\n"
            "\n"
        ),
        DefaultMessage.DEFAULT_CANCEL: (
            "CANCEL [last_Request_URI] SIP/2.0\n"
            "[last_Via]\n"
            "[last_From]\n"
            "[last_To]\n"
            "Call-ID: [call_id]\n"
            "CSeq: [last_cseq_number] CANCEL\n"
            "Max-Forwards: 70\n" + _CONTACT + "Content-Length: 0\n"
            "\n"
        ),
        DefaultMessage.DEFAULT_TWIN_ABORT: "call-id: [call_id]\ninternal-cmd: abort_call\n\n",
    }
)
"""Text of each default message, in the header order they are sent with."""


@cache
def default_template(message: DefaultMessage) -> Template:
    """Template of a default message that the scenario does not replace."""
    return parse_template(DEFAULT_TEXTS[message].encode("ascii"))
