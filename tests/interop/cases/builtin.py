"""The built-in scenarios.

Those that end in a pause of seconds are cut off there. Left out: uac_pcap, whose files of media no bare system has
where it looks for them, and the four of 3PCC, which need a twin.
"""

from __future__ import annotations

from interop.differential import CUT, Case, Expected
from interop.scripted_peer import SDP, Answer, Request, Script

OK = Answer("200 OK")
SESSION = Answer("200 OK", "Contact: <sip:b@127.0.0.1:{port};transport=UDP>\n", SDP)
CALL = ("INVITE", "ACK", "BYE")

CASES = [
    Case(
        "builtin_uac",
        Expected(
            CALL,
            (
                "INVITE sip:service@127.0.0.1:PEER SIP/2.0",
                "From: sipp <sip:sipp@127.0.0.1:PORT>;tag=TAG1",
                "m=audio MEDIA+0 RTP/AVP 0",
                "To: service <sip:service@127.0.0.1:PEER>;tag=TAG2",
            ),
        ),
        Script({"INVITE": (Answer("100 Trying"), Answer("180 Ringing"), OK), "BYE": (OK,)}),
        words=("-sn", "uac"),
    ),
    Case(
        "builtin_uas",
        Expected(("180 INVITE", "200 INVITE", "200 BYE"), outcome={}, code=CUT),
        Script(
            {"200 INVITE": (Request("ACK"), Request("BYE"))},
            opening=(Request("INVITE", body=SDP, call=1),),
        ),
        words=("-sn", "uas"),
        is_server=True,
        cut_ms=300,
    ),
    Case(
        "builtin_uas_of_a_proxied_call",
        Expected(("180 INVITE", "200 INVITE", "200 BYE"), absent=("Record-Route",), outcome={}, code=CUT),
        Script(
            {"200 INVITE": (Request("ACK"), Request("BYE"))},
            opening=(Request("INVITE", "Record-Route: <sip:proxy.example;lr>\n", SDP, call=1),),
        ),
        words=("-sn", "uas"),
        is_server=True,
        cut_ms=300,
        differs="the uas of 3.6.1 does not copy Record-Route; that of newer versions does",
        instead=Expected(
            ("180 INVITE", "200 INVITE", "200 BYE"), ("Record-Route: <sip:proxy.example;lr>",), outcome={}, code=CUT
        ),
    ),
    Case(
        "builtin_regexp",
        Expected(
            CALL,
            (
                "retrievedIp: 127.0.0.1:PORT",
                "retrievedContact: <sip:b@127.0.0.1:PEER;transport=UDP>",
                "retrievedSdpOrigin:o=peer 1 2",
                "retrievedSdpOrigin-username:peer",
                "retrievedSdpOrigin-session-id:1",
                "retrievedSdpOrigin-version:2",
            ),
        ),
        Script({"INVITE": (SESSION,), "BYE": (OK,)}),
        words=("-sn", "regexp"),
    ),
    Case(
        "builtin_branchc_accepted",
        Expected(("REGISTER", "INVITE", "ACK"), outcome={}, code=CUT),
        Script({"REGISTER": (OK,), "INVITE": (OK,)}),
        words=("-sn", "branchc"),
        cut_ms=300,
    ),
    Case(
        "builtin_branchc_refused",
        Expected(("REGISTER", "INVITE", "BYE"), outcome={}, code=CUT),
        Script({"REGISTER": (OK,), "INVITE": (Answer("403 Forbidden"),), "BYE": (OK,)}),
        words=("-sn", "branchc"),
        cut_ms=300,
    ),
    Case(
        "builtin_branchs_of_ua2",
        Expected(("200 REGISTER", "180 INVITE", "100 INVITE", "200 INVITE", "200 BYE"), outcome={}, code=CUT),
        Script(
            {
                "200 REGISTER": (Request("INVITE", replace=(("<sip:peer@", "ua2 <sip:peer@"),)),),
                "200 INVITE": (Request("ACK"), Request("BYE")),
            },
            opening=(Request("REGISTER", call=1),),
        ),
        words=("-sn", "branchs"),
        is_server=True,
        cut_ms=300,
    ),
    Case(
        "builtin_branchs_of_another",
        Expected(("200 REGISTER", "180 INVITE", "403 INVITE", "200 BYE"), outcome={}, code=CUT),
        Script(
            {"200 REGISTER": (Request("INVITE"),), "403 INVITE": (Request("BYE"),)},
            opening=(Request("REGISTER", call=1),),
        ),
        words=("-sn", "branchs"),
        is_server=True,
        cut_ms=300,
    ),
    Case(
        "builtin_ooc_default",
        Expected(("200 MESSAGE",), outcome={}, code=CUT),
        Script(opening=(Request("MESSAGE", call=1),)),
        words=("-sn", "ooc_default"),
        is_server=True,
        cut_ms=300,
    ),
    Case(
        "builtin_ooc_default_for_strangers",
        Expected(("INVITE", "ACK", "200 MESSAGE"), outcome={}, code=CUT),
        Script({"INVITE": (OK,), "ACK": (Request("MESSAGE", call=7),), "BYE": (OK,)}),
        words=("-sn", "uac", "-d", "2000", "-oocsn", "ooc_default"),
        cut_ms=300,
    ),
]
