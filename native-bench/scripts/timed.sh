#!/bin/bash
# Runs a command. Writes to REPORT its user and system seconds, to the millisecond, and when it began and ended.
# usage: timed.sh REPORT COMMAND...
report=$1
shift
TIMEFORMAT='%3U %3S'
begin=$EPOCHREALTIME
{ time "$@" 2>&3 3>&-; } 3>&2 2>"$report"
status=$?
end=$EPOCHREALTIME
echo "$begin $end" >>"$report"
exit $status
