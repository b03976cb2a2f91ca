"""Route sets, targets, and digest authentication."""

from __future__ import annotations

from interop.differential import Case, Expected
from interop.scripted_peer import Answer, Request, Script

OK = Answer("200 OK")
CALL = ("INVITE", "ACK", "BYE")
ROUTES = "Record-Route: <sip:one.example;lr>\nRecord-Route: <sip:two.example;lr>, <sip:three.example;lr;p=1>\n"
CONTACT = "Contact: <sip:target@127.0.0.1:{port};p=1>\n"
LONG_CONTACT = 'Contact: "A, B" <sip:target@127.0.0.1:{port};p=1>;+sip.instance="<urn:uuid:1>";q=0.5\n'
TARGET = "sip:target@127.0.0.1:PEER;p=1"
CANNOT_SEND = {"FailedCall": 1, "FailedCannotSendMessage": 1}
BASIC = 'Digest realm="some realm", nonce="abc123"'


def invited(more: str, *before: Answer) -> Script:
    """A peer whose 200 to INVITE has these headers."""
    return Script({"INVITE": (*before, Answer("200 OK", more)), "BYE": (OK,)})


def challenged(challenge: str, status: str = "401 Unauthorized", *later: Answer) -> Script:
    """A peer that challenges the first REGISTER, and answers the later ones."""
    name = "Proxy-Authenticate" if status.startswith("407") else "WWW-Authenticate"
    return Script(
        {"REGISTER": [(Answer(status, f"{name}: {challenge}\n"),), *[(answer,) for answer in later or (OK,)]]}
    )


def authorization(qop: str = "", name: str = "Authorization", user: str = "alice", more: str = "") -> str:
    """The header as sipp writes it."""
    middle = f"{qop}," if qop else ""
    return (
        f'{name}: Digest username="{user}",realm="some realm",{middle}uri="sip:127.0.0.1:PEER",nonce="abc123",'
        f'response="RIGHT",algorithm=MD5{more}'
    )


TWICE = ("REGISTER", "REGISTER")
SECRET = ("alice", "secret")

CASES = [
    Case(
        "route_set_of_a_client",
        Expected(
            CALL,
            (
                f"ACK {TARGET} SIP/2.0",
                "Route: <sip:three.example;lr;p=1>, <sip:two.example;lr>, <sip:one.example;lr>",
                f"BYE {TARGET} SIP/2.0",
                "Route: <sip:three.example;lr;p=1>, <sip:two.example;lr>, <sip:one.example;lr>",
            ),
        ),
        invited(ROUTES + CONTACT),
    ),
    Case(
        "route_set_of_a_server",
        Expected(
            ("200 INVITE", "BYE"),
            (
                "BYE sip:caller@127.0.0.1 SIP/2.0",
                "Route: <sip:one.example;lr>, <sip:two.example;lr>, <sip:three.example;lr;p=1>",
            ),
        ),
        Script(
            {"200 INVITE": (Request("ACK"),), "BYE": (OK,)},
            opening=(Request("INVITE", ROUTES + "Contact: <sip:caller@127.0.0.1>\n", call=1),),
        ),
        is_server=True,
    ),
    Case(
        "routes_without_a_route_set",
        Expected(
            CALL,
            ("X-A: 1", "X-B: 2"),
            absent=("Route",),
        ),
        invited(ROUTES + CONTACT),
    ),
    Case(
        "next_url_without_a_route_set",
        Expected(CALL, ("ACK  SIP/2.0",)),
        invited(ROUTES + CONTACT),
        differs="3.6.1 has no next_url without rrs; newer versions take the URI of the last To",
        instead=Expected(CALL, ("ACK sip:service@127.0.0.1:PEER SIP/2.0",)),
    ),
    Case(
        "contact_with_parameters",
        Expected(CALL, (f'ACK "A, B" <{TARGET}>;+sip.instance="<urn:uuid:1>";q=0.5 SIP/2.0',), absent=("Route",)),
        invited(LONG_CONTACT),
        differs="3.6.1 takes all of such a Contact; newer versions what stands in its angle brackets",
        instead=Expected(CALL, (f"ACK {TARGET} SIP/2.0",), absent=("Route",)),
    ),
    Case(
        "strict_router",
        Expected(CALL, ("ACK sip:three.example SIP/2.0", "Route: <sip:one.example;lr>, <sip:target@127.0.0.1>")),
        invited("Record-Route: <sip:one.example;lr>, <sip:three.example>\nContact: <sip:target@127.0.0.1>\n"),
    ),
    Case(
        "route_set_is_taken_once",
        Expected(CALL, ("ACK sip:early@127.0.0.1 SIP/2.0", "Route: <sip:early.example;lr>")),
        invited(
            ROUTES + CONTACT,
            Answer("180 Ringing", "Record-Route: <sip:early.example;lr>\nContact: <sip:early@127.0.0.1>\n"),
        ),
    ),
    Case("auth_401_without_qop", Expected(TWICE, (authorization(),)), challenged(BASIC), credentials=SECRET),
    Case(
        "auth_401_with_qop_auth",
        Expected(TWICE, (authorization('cnonce="CNONCE1",nc=00000001,qop=auth'),)),
        challenged(BASIC + ', qop="auth", algorithm=MD5'),
        credentials=SECRET,
    ),
    Case(
        "auth_407_with_opaque",
        Expected(TWICE, (authorization(name="Proxy-Authorization", more=',opaque="xyz"'),)),
        challenged(BASIC + ', opaque="xyz"', "407 Proxy Authentication Required"),
        credentials=SECRET,
    ),
    Case(
        "auth_int_digests_the_body",
        Expected(
            ("INVITE", "ACK", "INVITE", "ACK"),
            ("CSeq: 2 INVITE", authorization('cnonce="CNONCE1",nc=00000001,qop=auth-int')),
        ),
        Script({"INVITE": [(Answer("401 No", f'WWW-Authenticate: {BASIC}, qop="auth-int"\n'),), (OK,)]}),
        credentials=SECRET,
    ),
    Case(
        "auth_counts_the_uses_of_a_nonce",
        Expected(
            ("REGISTER",) * 5,
            (
                authorization('cnonce="CNONCE1",nc=00000001,qop=auth'),
                authorization('cnonce="CNONCE2",nc=00000002,qop=auth'),
                authorization('cnonce="CNONCE3",nc=00000003,qop=auth'),
                authorization('cnonce="CNONCE4",nc=00000001,qop=auth').replace("abc123", "def456"),
            ),
        ),
        challenged(
            BASIC + ', qop="auth"',
            "401 Unauthorized",
            OK,
            OK,
            Answer("401 Stale", 'WWW-Authenticate: Digest realm="some realm", nonce="def456", qop="auth"\n'),
            OK,
        ),
        credentials=SECRET,
    ),
    Case(
        "auth_defaults_to_au_and_ap",
        Expected(TWICE, (authorization(user="bob"),)),
        challenged(BASIC),
        words=("-au", "bob", "-ap", "other"),
        credentials=("bob", "other"),
    ),
    Case(
        "auth_defaults_to_the_service",
        Expected(TWICE, (authorization(user="5551"),)),
        challenged(BASIC),
        words=("-s", "5551"),
        credentials=("5551", "password"),
    ),
    Case(
        "auth_with_keywords_in_its_parameters",
        Expected(TWICE, (authorization(),)),
        challenged(BASIC),
        words=("-inf", "users.csv"),
        files={"users.csv": "SEQUENTIAL\nalice;secret\n"},
        credentials=SECRET,
    ),
    Case(
        "auth_from_a_field",
        Expected(TWICE, (authorization(),)),
        challenged(BASIC),
        words=("-inf", "users.csv"),
        files={"users.csv": "SEQUENTIAL\n[authentication username=alice password=secret]\n"},
        credentials=SECRET,
    ),
    Case(
        "auth_uri_is_an_option",
        Expected(TWICE, (authorization().replace("127.0.0.1:PEER", "registrar.example"),)),
        challenged(BASIC),
        words=("-auth_uri", "registrar.example"),
        credentials=SECRET,
    ),
    Case(
        "auth_keyword_without_a_challenge",
        Expected((), errors=("Authentication keyword without dialog_authentication!",), outcome={}, code=255),
        challenged(BASIC),
        differs="a missing challenge ends the process; it is to fail the call",
        instead=Expected((), outcome=CANNOT_SEND, code=1),
    ),
    Case(
        "auth_prefers_the_first_qop",
        Expected(TWICE, (authorization('cnonce="CNONCE1",nc=00000001,qop=auth-int'),)),
        challenged(BASIC + ', qop="auth,auth-int"'),
        credentials=SECRET,
        differs="auth-int is preferred where both are offered; auth is what servers take",
        instead=Expected(TWICE, (authorization('cnonce="CNONCE1",nc=00000001,qop=auth'),)),
    ),
    Case(
        "auth_md5_sess",
        Expected(TWICE, (authorization('cnonce="CNONCE1",nc=00000001,qop=auth').replace("RIGHT", "WRONG") + "-sess",)),
        challenged(BASIC + ', qop="auth", algorithm=MD5-sess'),
        credentials=SECRET,
        differs="MD5-sess is computed as MD5",
        instead=Expected(TWICE, (authorization('cnonce="CNONCE1",nc=00000001,qop=auth') + "-sess",)),
    ),
    Case(
        "auth_of_an_unknown_algorithm",
        Expected(("REGISTER",), outcome={}, code=255, errors=("authentication must use MD5",)),
        challenged(BASIC + ", algorithm=ROT13"),
        differs="a challenge that cannot be answered ends the process; it is to fail the call",
        instead=Expected(("REGISTER",), outcome=CANNOT_SEND, code=1),
    ),
    Case(
        "auth_challenge_without_its_header",
        Expected(
            ("REGISTER",), outcome={}, code=255, errors=("Couldn't find 'Proxy-Authenticate' or 'WWW-Authenticate'",)
        ),
        Script({"REGISTER": (Answer("401 Unauthorized"),)}),
        differs="a 401 without a challenge ends the process; it is to fail the call",
        instead=Expected(("REGISTER",), outcome=CANNOT_SEND, code=1),
    ),
    Case(
        "a_register_with_a_challenge_and_a_call",
        Expected(
            ("REGISTER", "REGISTER", "INVITE", "ACK", "INVITE", "ACK", "BYE"),
            (
                authorization(),
                "CSeq: 3 INVITE",
                "CSeq: 3 ACK",
                authorization('cnonce="CNONCE1",nc=00000001,qop=auth', "Proxy-Authorization").replace("abc123", "xyz"),
                f"ACK {TARGET} SIP/2.0",
                "Route: <sip:one.example;lr>",
                f"BYE {TARGET} SIP/2.0",
            ),
        ),
        Script(
            {
                "REGISTER": [(Answer("100 Trying"), Answer("401 No", f"WWW-Authenticate: {BASIC}\n")), (OK,)],
                "INVITE": [
                    (Answer("407 No", 'Proxy-Authenticate: Digest realm="some realm", nonce="xyz", qop="auth"\n'),),
                    (Answer("200 OK", "Record-Route: <sip:one.example;lr>\n" + CONTACT),),
                ],
                "BYE": (OK,),
            }
        ),
        credentials=SECRET,
    ),
]
