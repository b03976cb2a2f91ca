"""What the columns of -trace_stat mean, in words: `sippx -h stat`. The columns themselves are in statfile.py."""

from __future__ import annotations

STATISTICS: tuple[tuple[str, str], ...] = (
    ("StartTime", "When the run began, or its statistics were reset."),
    ("LastResetTime", "When the period of this row began: the time of the previous row."),
    ("CurrentTime", "When this row was written."),
    ("ElapsedTime", "Time of the period or the run, HH:MM:SS."),
    ("TargetRate", "The rate asked for [calls per -rp]; with -users the number of users."),
    ("CallRate", "Calls created per second."),
    ("IncomingCall", "Calls opened by the peer."),
    ("OutgoingCall", "Calls placed."),
    ("TotalCallCreated", "Calls created since the start, incoming and outgoing."),
    ("CurrentCall", "Calls open at this moment."),
    ("SuccessfulCall", "Calls that ran to the end of the scenario."),
    ("FailedCall", "Calls that ended otherwise, for whatever reason."),
    ("FailedCannotSendMessage", "Failed: the system refused to send a message."),
    ("FailedMaxUDPRetrans", "Failed: a message was retransmitted -max_retrans times without an answer."),
    ("FailedTcpConnect", "Failed: a connection could not be made."),
    ("FailedTcpClosed", "Failed: the peer closed the connection."),
    ("FailedUnexpectedMessage", "Failed: a message came that the scenario does not expect."),
    ("FailedCallRejected", "Failed: an action could not be done."),
    ("FailedCmdNotSent", "Failed: a command could not be sent to the twin."),
    ("FailedRegexpDoesntMatch", "Failed: a regular expression with check_it did not match."),
    ("FailedRegexpShouldntMatch", "Failed: a regular expression with check_it_inverse matched."),
    ("FailedRegexpHdrNotFound", "Failed: the header that a regular expression looks at was not there."),
    ("FailedOutboundCongestion", "Failed: there was no room to send, although the call waited for it."),
    ("FailedTimeoutOnRecv", "Failed: a message did not come in time (timeout of <recv>, -recv_timeout)."),
    ("FailedTimeoutOnSend", "Failed: a message could not be sent in time (timeout of <send>, -send_timeout)."),
    ("FailedTestDoesntMatch", "Failed: a <test> with check_it was false."),
    ("FailedTestShouldntMatch", "Failed: a <test> with check_it_inverse was true."),
    ("FailedStrcmpDoesntMatch", "Failed: texts that a <strcmp> with check_it compared differ."),
    ("FailedStrcmpShouldntMatch", "Failed: texts that a <strcmp> with check_it_inverse compared are the same."),
    ("OutOfCallMsgs", "Messages that belong to no call."),
    ("DeadCallMsgs", "Messages of calls that have ended (see -deadcall_wait)."),
    ("Retransmissions", "Messages sent again, because no answer came or the peer repeated its own."),
    ("AutoAnswered", "Messages answered without a step of the scenario (-aa and pings)."),
    ("Warnings", "Warnings, as -trace_err has them."),
    ("FatalErrors", "Always 0: the error that ends a run is said on stderr."),
    ("WatchdogMajor", "Always 0: sippx has no watchdog, it counts late starts instead."),
    ("WatchdogMinor", "Always 0, as above."),
    ("ResponseTimeNAME", "Mean of a response time of the scenario (rtd), HH:MM:SS:microseconds."),
    ("ResponseTimeNAMEStDev", "Its standard deviation."),
    ("CallLength", "Mean length of the calls that have ended."),
    ("CallLengthStDev", "Its standard deviation."),
    ("GenericCounterN, NAME", "A counter of the scenario (counter=\"N\" or counter=\"NAME\")."),
    ("ResponseTimeRepartitionNAME", "Calls by response time: a column for each bound of <ResponseTimeRepartition>."),
    ("CallLengthRepartition", "Calls by length: a column for each bound of <CallLengthRepartition>."),
)
"""Each statistic without the (P) and (C) of its columns, and its meaning."""

INTRODUCTION = (
    "-trace_stat writes a CSV file: a line of column names, then a row at the start, one every -fd and one at the "
    "end. The delimiter (-stat_delimiter) also follows the last column. (P) behind a name means the period since the "
    "previous row, (C) cumulative, since the start."
)
