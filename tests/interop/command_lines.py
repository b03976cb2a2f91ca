"""Command lines of shell scripts, cron jobs and pipelines, which test_command_lines.py runs with sipp and with sippx."""

from __future__ import annotations

from interop.command_line_run import Act, CommandLine

PAUSING = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="pausing">
<send retrans="500" start_rtd="a"><![CDATA[
OPTIONS sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:a@[local_ip]>;tag=[call_number]
To: <sip:b@[remote_ip]>
Call-ID: [call_id]
CSeq: [cseq] OPTIONS
X-Line: KEYS
Content-Length: 0

]]></send>
<recv response="200" rtd="a"/>
<pause/>
<ResponseTimeRepartition value="10, 20"/>
<CallLengthRepartition value="10, 50"/>
</scenario>
"""


def options(keys: str = "", more: str = "") -> dict[str, str]:
    """A scenario of one OPTIONS with these keywords in a header, these steps in front of it, and a pause behind it."""
    return {"pausing.xml": PAUSING.replace("KEYS", keys).replace('"pausing">\n', f'"pausing">\n{more}')}


LIMIT_TOLD = {"err": "sippx says that -l holds calls back"}
ENDED_TOLD = {"err": "sippx says which call it ended", "counters": "open calls are ended, and have failed; 3.6.1 leaves them"}
HANGS = dict.fromkeys(
    ("code", "out", "err", "counters", "steps"),
    "3.6.1 says goodbye to the open calls and then waits for ever",
)
LOG_FILE = dict.fromkeys(("files", "shapes"), "-trace_logs creates its file at the start, not with the first <log>")

LINES = [
    # ---- counts and rates
    CommandLine("one call", "REMOTE -m 1"),
    CommandLine("a cron job", "REMOTE -m 3 -r 50 -nostdin", keys=None),
    CommandLine("a cron job with stdin", "REMOTE -m 3 -r 50", keys=None),
    CommandLine("a smoke test", "-sn uac REMOTE -m 5 -r 50 -s 1000"),
    CommandLine("options behind the host", "REMOTE -sn uac -s 1000 -m 2 -r 100 -nostdin"),
    CommandLine("double dashes", "--m 2 --r 100 REMOTE"),
    CommandLine("no calls", "REMOTE -m 0"),
    CommandLine("an empty number of calls", "REMOTE -m ''"),
    CommandLine("an octal number of calls", "REMOTE -m 010 -r 100"),
    CommandLine("a hexadecimal number of calls", "REMOTE -m 0x5 -r 100"),
    CommandLine("the last of two numbers counts", "REMOTE -m 1 -m 3 -r 100"),
    CommandLine("a rate period", "REMOTE -m 3 -r 3 -rp 300"),
    CommandLine("a rate period with a unit", "REMOTE -m 3 -r 10 -rp 0.5s"),
    CommandLine("a fraction as rate", "REMOTE -m 2 -r 5.5"),
    CommandLine("one call at a time", "REMOTE -m 4 -r 100 -l 1 -d 100", differs=LIMIT_TOLD),
    CommandLine("a limit of open calls", "REMOTE -m 6 -r 100 -l 3 -d 200", differs=LIMIT_TOLD),
    CommandLine("no limit of open calls", "REMOTE -m 6 -r 100 -l 0 -d 200"),
    CommandLine("a pause", "REMOTE -m 2 -r 100 -d 300"),
    CommandLine("a pause with a unit", "REMOTE -m 2 -r 100 -d 0.3s"),
    CommandLine("users", "REMOTE -users 3 -m 9 -d 100"),
    CommandLine("users and an earlier limit", "REMOTE -l 1 -users 3 -m 9 -d 100"),
    CommandLine("users and a later limit", "REMOTE -users 2 -l 3 -m 2", code=0, differs=dict.fromkeys(
        ("code", "out", "err", "counters", "steps", "wire", "sources", "first"),
        "-l has no effect behind -users either; sipp refuses it",
    )),
    CommandLine("users with a file", "REMOTE -sf pausing.xml -inf users.csv -users 2 -m 4 -d 100",
                files=options("[field0]") | {"users.csv": "USER\nalice;\nbob;\n"}),
    CommandLine("a rate that climbs", "REMOTE -r 10 -rate_increase 10 -rate_max 20 -fd 1", near=0.3),
    CommandLine("a rate that stays at its maximum",
                "REMOTE -r 10 -rate_increase 10 -rate_interval 1 -rate_max 20 -no_rate_quit -m 35"),
    # ---- ends
    CommandLine("a timeout ends a run", "REMOTE -r 20 -timeout 1", near=0.3),
    CommandLine("a timeout with a unit", "REMOTE -r 20 -timeout 1000ms", near=0.3),
    CommandLine("a timeout that is not reached", "REMOTE -r 20 -m 3 -timeout 60 -timeout_error"),
    CommandLine("a timeout as error", "REMOTE -r 20 -timeout 1 -timeout_error", near=0.3, without=("err",)),
    CommandLine("a timeout as error with an open call", "REMOTE -m 1 -timeout 1 -timeout_error", peer="silent", differs=ENDED_TOLD),
    CommandLine("a timeout as error and nobody there", "REMOTE -m 1 -r 100 -timeout 1 -timeout_error", peer="nobody", differs=ENDED_TOLD),
    CommandLine("a timeout with open calls", "REMOTE -m 1 -r 100 -timeout 1 -max_retrans 2", peer="silent", differs=dict.fromkeys(
        ("err", "steps"), "-timeout is a limit: open calls are ended and have failed; 3.6.1 waits for them",
    ), without=("wire", "seconds")),
    CommandLine("nobody there", "REMOTE -m 2 -r 100 -max_retrans 1", peer="nobody"),
    CommandLine("a silent peer", "REMOTE -m 2 -r 100 -max_retrans 1", peer="silent"),
    CommandLine("a silent peer and no retransmissions", "REMOTE -m 2 -r 100 -nr -recv_timeout 300 -trace_counts", peer="silent"),
    CommandLine("a receive timeout", "REMOTE -m 2 -r 100 -recv_timeout 0.2s", peer="silent"),
    CommandLine("a busy peer", "REMOTE -m 2 -r 100", peer="busy"),
    CommandLine("a busy peer without defaults", "REMOTE -m 2 -r 100 -nd -recv_timeout 300", peer="busy"),
    CommandLine("a busy peer with some defaults", "REMOTE -m 2 -r 100 -default_behaviors all,-bye", peer="busy"),
    CommandLine("ringing for ever", "REMOTE -m 1 -r 100 -recv_timeout 300", peer="ringing", without=("err",)),
    CommandLine("ringing for ever without defaults", "REMOTE -m 1 -r 100 -recv_timeout 300 -default_behaviors none", peer="ringing"),
    CommandLine("most retransmissions of requests", "REMOTE -sf pausing.xml -m 1 -r 100 -max_non_invite_retrans 1", peer="silent", files=options()),
    CommandLine("most retransmissions of INVITEs", "REMOTE -m 1 -r 100 -max_invite_retrans 1", peer="silent"),
    CommandLine("T2", "REMOTE -m 1 -r 100 -T2 100 -sf pausing.xml -max_retrans 3", peer="silent", files=options()),
    # ---- signals
    CommandLine("USR1 ends softly", "REMOTE -r 20 -d 300", acts=(Act("USR1", n=3),), near=0.5),
    CommandLine("USR1 twice with open calls", "REMOTE -r 20 -d 20000", sipp_hangs_s=3, code=1, differs=HANGS, without=("wire", "seconds"),
                acts=(Act("USR1", n=3), Act("USR1", n=3, wait_s=0.3))),
    CommandLine("INT ends", "REMOTE -r 20", acts=(Act("INT", n=3),), near=0.5),
    CommandLine("INT with open calls", "REMOTE -r 20 -d 20s", acts=(Act("INT", n=3),), near=0.5),
    CommandLine("TERM ends", "REMOTE -r 20", acts=(Act("TERM", n=3),), near=0.5),
    CommandLine("TERM with open calls", "REMOTE -r 20 -d 20s", acts=(Act("TERM", n=3),), near=0.5),
    CommandLine("USR2 writes the screens", "REMOTE -m 5 -r 20 -d 300", acts=(Act("USR2", n=3),)),
    CommandLine("USR2 with -trace_screen", "REMOTE -m 5 -r 20 -d 300 -trace_screen", acts=(Act("USR2", n=3),)),
    CommandLine("USR2 with a name", "REMOTE -m 5 -r 20 -d 300 -screen_file s.txt", acts=(Act("USR2", n=3),)),
    CommandLine("INT of a server", "-sn uas", peer="caller:0", acts=(Act("INT", n=0, wait_s=0.3),)),
    CommandLine("USR1 of a server", "-sn uas", peer="caller:0", acts=(Act("USR1", n=0, wait_s=0.3),)),
    CommandLine("TERM of a server with open calls", "-sn uas", peer="caller:3", acts=(Act("TERM", "200", n=6, wait_s=0.1),)),
    CommandLine("a timeout of a server", "-sn uas -timeout 1", peer="caller:0"),
    CommandLine("a timeout of a server as error", "-sn uas -timeout 1 -timeout_error", peer="caller:0", without=("err",)),
    # ---- keys and datagrams
    CommandLine("keys in a pipe are nobody's", "REMOTE -r 20 -m 10", keys="23sq*pQ"),
    CommandLine("a command in a pipe is nobody's", "REMOTE -r 20 -m 5", keys="cset rate 0\n"),
    CommandLine("keys with -nostdin", "REMOTE -r 20 -m 5 -nostdin", keys="qqqq"),
    CommandLine("q as datagram", "REMOTE -r 20 -cp CP", acts=(Act("udp:q", n=3),), near=0.5),
    CommandLine("Q as datagram with open calls", "REMOTE -r 20 -cp CP -ci 127.0.0.1 -d 20000", acts=(Act("udp:Q", n=3),),
                sipp_hangs_s=3, code=1, differs=HANGS, without=("wire", "seconds")),
    CommandLine("a command as datagram", "REMOTE -r 5 -m 30 -cp CP", acts=(Act("udp:cset rate 100", n=1),)),
    CommandLine("a key as datagram", "REMOTE -r 5 -m 30 -cp CP", acts=(Act("udp:*", n=1), Act("udp:*", n=1, wait_s=0.1))),
    CommandLine("a control port in use", "REMOTE -m 1 -cp TAKEN -ci 127.0.0.1", error="Unable to bind remote control socket to UDP port"),
    # ---- background
    CommandLine("in the background", "REMOTE -bg -m 3 -r 50"),
    CommandLine("in the background with files", "REMOTE -bg -m 3 -r 50 -trace_stat -trace_msg -trace_screen -trace_rtt -rtt_freq 1"),
    CommandLine("in the background with failures", "REMOTE -bg -m 2 -r 50 -trace_err", peer="busy"),
    CommandLine("in the background without a host", "-bg -m 3"),
    CommandLine("in the background without a scenario", "REMOTE -bg -m 3 -sf nowhere.xml", error="nowhere.xml"),
    CommandLine("a server in the background", "-sn uas -bg -timeout 1", peer="caller:0"),
    # ---- addresses
    CommandLine("another local address", "REMOTE -m 2 -r 100 -i 127.0.0.2 -p PORT", bare=True),
    CommandLine("bound to the local address", "REMOTE -m 2 -r 100 -bind_local -p PORT", bare=True),
    CommandLine("no local address", "REMOTE -m 2 -r 100 -p PORT", bare=True),
    CommandLine("IPv6", "REMOTE -m 2 -r 100", ip="::1"),
    CommandLine("IPv6 in brackets", "REMOTE -m 2 -r 100 -i [::1] -p PORT", ip="::1", bare=True),
    CommandLine("a host with a name", "localhost:REMOTEPORT -m 2 -r 100"),
    CommandLine("an unknown host", f"{'x' * 64}.invalid -m 1", error="nknown remote host"),
    CommandLine("a client without a host", "-m 1", error="issing remote host"),
    CommandLine("a port in use", "REMOTE -m 1 -i 127.0.0.1 -p TAKEN", bare=True, error="in use"),
    CommandLine("a server on a port in use", "-sn uas -i 127.0.0.1 -p TAKEN", bare=True, error="in use"),
    CommandLine("a sending address", "127.0.0.1:9 -rsa REMOTE -m 2 -r 100",
                differs={"out": "stdout has results only, not that an address is resolved"}),
    # ---- what messages say
    CommandLine("a first CSeq", "REMOTE -m 2 -r 100 -base_cseq 1000"),
    CommandLine("a form of Call-IDs", "REMOTE -m 2 -r 100 -cid_str call-%u-%p-%%@%s"),
    CommandLine("a Call-ID with slashes", "REMOTE -m 2 -r 100 -callid_slash_ign -cid_str 'a///%u-%p@%s'"),
    CommandLine("a service", "REMOTE -m 2 -r 100 -s +49123"),
    CommandLine("keys", "REMOTE -sf pausing.xml -m 2 -r 100 -key one 1 -key two 'a b' -key none ''", files=options("[one] [two] <[none]>")),
    CommandLine("a global variable", "REMOTE -sf pausing.xml -m 2 -r 100 -set who me", files=options("[$who]", '<Global variables="who"/>\n')),
    CommandLine("options in front of their scenario", "-set who me -key one 1 -m 2 -r 100 -sf pausing.xml REMOTE",
                files=options("[$who] [one]", '<Global variables="who"/>\n')),
    CommandLine("a global variable that does not exist", "REMOTE -sf pausing.xml -m 2 -r 100 -set nobody me", files=options(), error="nobody"),
    CommandLine("fields of a file", "REMOTE -sf pausing.xml -m 2 -r 100 -inf lines.csv",
                files=options("[field0] [field1]") | {"lines.csv": "SEQUENTIAL\na;b;\nc;d;\n"}),
    CommandLine("fields of two files", "REMOTE -sf pausing.xml -m 2 -r 100 -inf one.csv -inf two.csv",
                files=options('[field0] [field0 file="two.csv"]') | {"one.csv": "SEQUENTIAL\na;\n", "two.csv": "SEQUENTIAL\nb;\n"}),
    CommandLine("fields of a pattern", "REMOTE -sf pausing.xml -m 2 -r 100 -inf lines.csv",
                files=options("[field0]") | {"lines.csv": "SEQUENTIAL,PRINTF=4\nu%03d;\n"}),
    CommandLine("an indexed file", "REMOTE -sf pausing.xml -m 2 -r 100 -inf lines.csv -infindex lines.csv 0",
                files=options('[field1 line="[$n]"]', '<nop><action><lookup assign_to="n" file="lines.csv" key="c"/></action></nop>\n')
                | {"lines.csv": "SEQUENTIAL\na;b;\nc;d;\n"}),
    CommandLine("an index of a file that is not loaded", "REMOTE -m 1 -infindex lines.csv 0", error="lines.csv"),
    CommandLine("a media address", "REMOTE -m 2 -r 100 -mi 127.0.0.3 -mp 7000"),
    CommandLine("dynamic ids", "REMOTE -sf pausing.xml -m 3 -r 100 -dynamicStart 5 -dynamicStep 3 -dynamicMax 9", files=options("[dynamic_id]")),
    # ---- files
    CommandLine("all statistics", "REMOTE -m 5 -r 50 -trace_stat -trace_counts -trace_error_codes -trace_rtt -rtt_freq 1 -fd 60"),
    CommandLine("a name for the statistics", "REMOTE -m 5 -r 50 -trace_stat -stf run.csv"),
    CommandLine("a delimiter", "REMOTE -m 5 -r 50 -trace_stat -stat_delimiter , -stf run.csv"),
    CommandLine("statistics every second", "REMOTE -m 24 -r 10 -trace_stat -fd 1 -periodic_rtd"),
    CommandLine("counts and codes every second", "REMOTE -m 24 -r 10 -trace_counts -trace_error_codes -fd 1", peer="busy"),
    CommandLine("a name for statistics that are not traced", "REMOTE -m 2 -r 50 -stf run.csv"),
    CommandLine("all logs", "REMOTE -m 3 -r 50 -trace_msg -trace_shortmsg -trace_err -trace_logs -trace_calldebug -trace_screen", differs=LOG_FILE),
    CommandLine("all logs of failures", "REMOTE -m 3 -r 50 -trace_msg -trace_shortmsg -trace_err -trace_logs -trace_calldebug", peer="busy", differs=LOG_FILE),
    CommandLine("names for all logs", "REMOTE -m 3 -r 50 -trace_msg -message_file m -trace_shortmsg -shortmessage_file s -trace_err"
                " -error_file e -trace_calldebug -calldebug_file c -trace_screen -screen_file r", peer="busy"),
    CommandLine("a log of log actions", "REMOTE -sf pausing.xml -m 3 -r 50 -trace_logs -log_file l",
                files=options(more='<nop><action><log message="hello"/></action></nop>\n')),
    CommandLine("a log that is appended to", "REMOTE -m 1 -trace_msg -message_file m.log -message_overwrite false", files={"m.log": "before\n"}),
    CommandLine("a log that is overwritten", "REMOTE -m 1 -trace_msg -message_file m.log -message_overwrite true", files={"m.log": "before\n"}),
    CommandLine("a log that is full", "REMOTE -m 20 -r 100 -trace_msg -max_log_size 3000 -message_file m.log", without=("shapes",)),
    CommandLine("rings of logs", "REMOTE -m 20 -r 100 -trace_msg -ringbuffer_size 4000 -ringbuffer_files 3", without=("shapes",)),
    CommandLine("a ring and a limit", "REMOTE -m 1 -ringbuffer_size 4000 -ringbuffer_files 3 -max_log_size 100", error="mutually exclusive"),
    CommandLine("a log that cannot be made", "REMOTE -m 1 -trace_msg -message_file nowhere/m.log", error="reate 'nowhere/m.log'"),
    CommandLine("response times in batches", "REMOTE -m 6 -r 100 -trace_rtt -rtt_freq 2"),
    CommandLine("a name for a log that is not traced", "REMOTE -m 2 -r 50 -message_file run.log"),
    # ---- peers with manners of their own
    CommandLine("strangers", "REMOTE -m 2 -r 100 -d 100", peer="strangers"),
    CommandLine("strangers are answered", "REMOTE -m 2 -r 100 -d 100 -aa", peer="strangers",
                differs={"err": "the call of a stranger is answered and over; 3.6.1 keeps and aborts it"}, without=("wire",)),
    CommandLine("strangers get a scenario", "REMOTE -m 2 -r 100 -d 100 -oocsn ooc_default", peer="strangers",
                differs=dict.fromkeys(("wire", "err"), "a call in its timewait has succeeded at the end, it is not aborted with a BYE")),
    CommandLine("messages in pauses are ignored", "REMOTE -m 2 -r 100 -d 100 -pause_msg_ign", peer="strangers"),
    CommandLine("a server of some calls", "-sn uas -m 3 -timeout 8", peer="caller:3"),
    CommandLine("a server of some calls without retransmissions", "-sn uas -m 3 -timeout 8 -nr", peer="caller:3"),
    # ---- tuning that changes nothing
    CommandLine("tuning", "REMOTE -m 5 -r 50 -buff_size 131072 -f 2 -watchdog_interval 1000 -watchdog_minor_threshold 900"
                " -watchdog_major_threshold 4000 -watchdog_reset 60s -timer_resol 5 -max_recv_loops 100 -max_sched_loops 100"),
    CommandLine("options on sockets", "REMOTE -m 5 -r 50 -skip_rlimit -max_socket 100", differs={"err": "sippx says that they have no effect with one socket"}),
    CommandLine("no watchdog and no dead calls", "REMOTE -m 5 -r 50 -watchdog_interval 0 -deadcall_wait 0 -callid_slash_ign"),
    CommandLine("a sleep in front", "REMOTE -m 2 -r 100 -sleep 1"),
    CommandLine("all messages lost", "REMOTE -m 2 -r 100 -lost 100 -max_retrans 1 -trace_counts"),
    CommandLine("none lost", "REMOTE -m 5 -r 100 -lost 0"),
    CommandLine("loose recognition", "REMOTE -m 2 -r 100 -rtcheck loose"),
    # ---- errors
    CommandLine("an unknown option", "REMOTE -nosuch", error="-nosuch"),
    CommandLine("a missing argument", "REMOTE -m", bare=True, error="-m"),
    CommandLine("not a number", "REMOTE -m many", error='-m, "many" is not a valid integer!'),
    CommandLine("not a rate", "REMOTE -r fast", error='-r, "fast" is not a'),
    CommandLine("not a time", "REMOTE -m 1 -d soon", error='-d, "soon" is not a valid time!'),
    CommandLine("a scenario that is not there", "REMOTE -sf nowhere.xml", error="nowhere.xml"),
    CommandLine("an unknown built-in scenario", "REMOTE -sn nosuch", error="'nosuch'"),
    CommandLine("two scenarios", "REMOTE -sn uac -sn uas", error=" "),
    CommandLine("a scenario that is no XML", "REMOTE -sf bad.xml", files={"bad.xml": "hello\n"}, error="bad.xml"),
    CommandLine("an unknown transport", "REMOTE -t xx1 -m 1", error="xx1"),
    CommandLine("an unknown default", "REMOTE -m 1 -default_behaviors all,nosuch", error="'nosuch'"),
    CommandLine("a file without lines", "REMOTE -m 1 -inf lines.csv", files={"lines.csv": "SEQUENTIAL\n"}, error="lines.csv"),
    CommandLine("a file without a type", "REMOTE -m 1 -inf lines.csv", files={"lines.csv": "a;b\n"}, error="lines.csv"),
    CommandLine("a file that is not there", "REMOTE -m 1 -inf lines.csv", error="lines.csv"),
    CommandLine("an out-of-call scenario of a server", "-sn uas -oocsn ooc_default", peer="caller:0", error="out-of-call scenario"),
    # ---- what is printed instead of a run
    *(CommandLine(f"{words or 'no words'} is answered", words, bare=True, differs={"out": "own words"}, without=("steps",))
      for words in ("", "-v", "-h", "-sd uas")),
]
