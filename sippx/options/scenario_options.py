"""What runs and where: scenario, addresses, injection files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sippx.option_types import (
    FLAG,
    INDEXES,
    INTEGER,
    PATHS,
    STRING,
)
from sippx.options.spec import ADDRESSES, DEFAULT_SCENARIO, INJECTION, PORT_MAX, SCENARIO, option


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioOptions:
    """Options on the scenario, addresses and injection files."""

    remote_host: str | None = option(
        "REMOTE_HOST[:PORT]", STRING, None, group=SCENARIO, once=True,
        help="Where a client sends its calls: a name, an IPv4 or an IPv6 address, the last in brackets when "
        "a port follows ([::1]:5060). The port is 5060 if not given. A server needs none.",
    )
    scenario_file: str | None = option(
        "-sf", STRING, None, group=SCENARIO, metavar="FILE", once=True,
        help="Run the scenario of this XML file. See -sd for examples.",
    )
    scenario_name: str | None = option(
        "-sn", STRING, None, group=SCENARIO, metavar="NAME", once=True, default_text=DEFAULT_SCENARIO,
        help="Run a built-in scenario: uac (places calls), uas (answers them), regexp, branchc, branchs, uac_pcap, "
        "3pcc-C-A, 3pcc-C-B, 3pcc-A, 3pcc-B, ooc_default or ooc_dummy.",
    )
    rx_scenario_file: str | None = option(
        "-rxsf", STRING, None, group=SCENARIO, metavar="FILE", default_text="none",
        help="Second scenario, of a server: the main scenario places calls, and requests that belong to none of "
        "them open calls of this one.",
    )
    rx_scenario_name: str | None = option(
        "-rxrn", STRING, None, group=SCENARIO, metavar="NAME", default_text="none",
        help="The same with a built-in scenario.",
    )
    ooc_scenario_file: str | None = option(
        "-oocsf", STRING, None, group=SCENARIO, metavar="FILE", default_text="none",
        help="Scenario for requests that a client receives out of its calls.",
    )
    ooc_scenario_name: str | None = option(
        "-oocsn", STRING, None, group=SCENARIO, metavar="NAME", default_text="none",
        help="The same with a built-in scenario, such as ooc_default.",
    )
    local_ip: str | None = option(
        "-i", STRING, None, group=ADDRESSES, metavar="IP",
        default_text="the address from which the remote host is reached",
        help="Local address: [local_ip] of the scenario, and the address that sockets are bound to. Without "
        "-i sockets are bound to all addresses. Selects IPv4 or IPv6 for a remote host that has both; -i :: serves "
        "both. A link-local address has its interface behind %: fe80::1%eth0.",
    )
    local_port: int = option(
        "-p", INTEGER, 0, group=ADDRESSES, metavar="PORT", minimum=0, maximum=PORT_MAX,
        default_text="the first free one of 5060 to 5119, or any",
        help="Local port. A port that is given and not free ends sippx with code 254.",
    )
    bind_local: bool = option(
        "-bind_local", FLAG, False, group=ADDRESSES,
        help="Bind sockets to the local address, also where -i is not given.",
    )
    bind_device: str | None = option(
        "-bind_to_device", STRING, None, group=ADDRESSES, metavar="DEVICE", default_text="any",
        help="Send and receive through this network device only (SO_BINDTODEVICE).",
    )
    injection_files: tuple[str, ...] = option(
        "-inf", PATHS, (), group=INJECTION, default_text="none",
        help="Take the values of [fieldN] from this file. The first line says SEQUENTIAL, RANDOM or USER, the "
        "others have fields separated by ';'. May be given several times.",
    )
    rx_injection_files: tuple[str, ...] = option(
        "-rxinf", PATHS, (), group=INJECTION, default_text="none",
        help="The same as -inf; the first of these files is the one of [fieldN] in the scenario of -rxsf.",
    )
    injection_indexes: Mapping[str, int] = option(
        "-infindex", INDEXES, {}, group=INJECTION,
        help="Index an injection file by one of its columns, counted from 0, for the action <lookup>.",
    )
