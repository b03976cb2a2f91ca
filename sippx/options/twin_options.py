"""Third-party call control: the twins of a run."""

from __future__ import annotations

from dataclasses import dataclass

from sippx.errors import UsageError
from sippx.option_types import STRING
from sippx.options.spec import TWINS, option
from sippx.options.transport_options import TransportOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinOptions(TransportOptions):
    """Options on twins."""

    twin_address: str | None = option(
        "-3pcc", STRING, None, group=TWINS, metavar="HOST[:PORT]",
        help="Third-party call control with two instances: where controller B, whose scenario has recvCmd before "
        "sendCmd, listens, and A connects to. Start B first. Default port: 6060.",
    )
    master_name: str | None = option(
        "-master", STRING, None, group=TWINS, metavar="NAME",
        help="Extended third-party call control: this instance is the master, by this name in -slave_cfg. Start it "
        "when all slaves run.",
    )
    slave_name: str | None = option(
        "-slave", STRING, None, group=TWINS, metavar="NAME",
        help="Extended third-party call control: this instance is a slave, by this name in -slave_cfg.",
    )
    slave_file: str | None = option(
        "-slave_cfg", STRING, None, group=TWINS, metavar="FILE",
        help="Where master and slaves of extended third-party call control listen: lines of name;host:port.",
    )

    @property
    def is_extended_3pcc(self) -> bool:
        """True for a master or a slave."""
        return self.master_name is not None or self.slave_name is not None

    def check_twins(self) -> None:
        """UsageError where the options exclude each other."""
        if self.twin_address is not None and self.is_extended_3pcc:
            raise UsageError("-3PCC option is not compatible with -master and -slave options")
        if self.twin_address is not None and self.slave_file is not None:
            raise UsageError("-slave_cfg and -3pcc options are not compatible")
        if self.master_name is not None and self.slave_name is not None:
            raise UsageError("-slave and -master options are not compatible")
