#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# gpreempt on the mock GPU, in the test machine. TAP on standard output; all JSON
# also goes to ttyS1, for somebody who can parse it.
# shellcheck disable=SC2317 # t and soon call most of the functions
g=/t/gpreempt
tmp=/tmp/user
mkdir -p $tmp /run
n=0
failed=0

# t NAME COMMAND...
t()
{
	n=$((n + 1))
	name=$1
	shift
	if "$@"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		failed=1
	fi
}

# json ARGUMENT...: what gpreempt says is kept in $out, and its status in $status
json()
{
	out=$($g "$@" --json 2>$tmp/err)
	status=$?
	echo "$out" >/dev/ttyS1
}

# In how many objects of $out something is
count()
{
	echo "$out" | tr '{' '\n' | grep -cF -- "$1"
}

# states PID STATE N: so many queues of a process are in a state
states()
{
	json list --pid "$1"
	[ "$(count "\"state\":\"$2\"")" = "$3" ]
}

# table_holds PID N: the monitor holds so many queues, which get a slice now and then
table_holds()
{
	[ "$($g list --pid "$1" | grep -c ' PREEMPTED *monitor ')" = "$2" ]
}

# soon COMMAND...: it is so within 5 s
soon()
{
	for _ in $(seq 50); do
		"$@" && return 0
		usleep 100000
	done
	return 1
}

ran()
{
	head -n 1 "$1" 2>/dev/null | sed 's/^0*//'
}

# What was in flight in the very moment does not count
stands()
{
	usleep 50000
	before=$(ran "$1")
	usleep 300000
	[ "$before" = "$(ran "$1")" ]
}

moves()
{
	before=$(ran "$1")
	usleep 300000
	[ "${before:-0}" -lt "$(ran "$1")" ]
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

has()
{
	grep -qF -- "$1" "$2"
}

not()
{
	! "$@"
}

is()
{
	[ "$1" = "$2" ]
}

# Starts a hold whose words go to $tmp/hold, and waits until it has looked once
hold()
{
	: >$tmp/hold
	$g preempt "$@" >$tmp/hold 2>&1 </dev/null &
	holder=$!
	soon has 'holding queues' $tmp/hold
}

chmod 666 /dev/kfd /dev/dri/renderD*
echo 'root:x:0:0::/root:/bin/sh
plain:x:1000:1000::/tmp:/bin/sh' >/etc/passwd
echo 'root:x:0:
plain:x:1000:' >/etc/group

json list
t 'no queues at first' is "$(count '"pid"')" 0
t 'there is a GPU' is "$(count '"gpu_id"')" 1
gpu=$(echo "$out" | sed 's/.*"gpu_id":\([0-9]*\).*/\1/')

/t/busy $tmp/a 3 2 &
a=$!
t 'queues run' soon states $a ACTIVE 2
t 'work is done' soon moves $tmp/a
t 'who owns them' is "$(count '"user":"root","comm":"busy"')" 2
t 'waves are known' not is "$(count '"waves":null')" 2
$g list >$tmp/table
t 'the table has a line for each' is "$(grep -c ' busy .* ACTIVE ' $tmp/table)" 2
json list --gpu "$gpu"
t 'queues of a GPU' is "$(count '"state"')" 2
json list --gpu 1
t 'there is no such GPU' is $status 1
json list --cgroup /tmp
t 'this is no cgroup' has 'is no cgroup' $tmp/err

hold --pid $a
t 'both are held' states $a PREEMPTED 2
t 'by a program' is "$(count '"holder":"ioctl"')" 2
t 'what is held stands' stands $tmp/a
kill -USR1 $a
t 'a new queue is held too' soon states $a PREEMPTED 3
$g preempt --pid $a -- true 2>$tmp/err
t 'one holder at a time' has 'another program holds' $tmp/err
json resume --pid $a
t 'who resumes what another holds is told' is "$status $(count refused)" '1 3'
json top -n 2 -d 0.1
t 'top in batches' is "$(echo "$out" | grep -c '^{')" 2
$g top -b -n 1 >$tmp/table
t 'top says what is preempted' has 'queues 3, preempted 3, the longest for' $tmp/table
kill -TERM $holder
t 'SIGTERM ends the hold' soon gone $holder
t 'which says so' has 'released queues: 3' $tmp/hold
t 'they run again' states $a ACTIVE 3
t 'and work' moves $tmp/a

hold --pid $a
kill -9 $holder
t 'killed: they run again' soon states $a ACTIVE 3
hold --pid $a --queue 1
t 'one queue alone' states $a PREEMPTED 1
kill -INT $holder
t 'SIGINT ends the hold' soon states $a ACTIVE 3
sleep 1 | $g preempt --pid $a >$tmp/hold &
t 'with a pipe' soon states $a PREEMPTED 3
t 'until it is closed' soon states $a ACTIVE 3
$g preempt --pid $a -- sh -c "$g list --json --pid $a >$tmp/out; exit 7" 2>/dev/null
status=$?
out=$(cat $tmp/out)
t 'while a command runs' is "$(count PREEMPTED)" 3
t 'with its status' is $status 7
t 'and no longer' states $a ACTIVE 3
$g preempt --pid $a --drain --timeout 1000 -- $g list --pid $a >$tmp/out 2>$tmp/err
if [ "$(cat /sys/module/amdgpu/parameters/sched_policy)" = 2 ]; then
	t 'waves can end first' is "$(grep -c 'PREEMPTED *ioctl' $tmp/out)" 3
else
	t 'a hardware scheduler cannot drain' has 'hardware scheduler' $tmp/err
fi
$g preempt --pid $a -- /no/such/command 2>$tmp/err
t 'a command that is not there' is "$? $(grep -c 'cannot run' $tmp/err)" '127 1'

$g preempt --pid $a --detach >$tmp/hold
t 'in the background' is $? 0
t 'all are held' states $a PREEMPTED 3
kill -USR1 $a
t 'and a new one' soon states $a PREEMPTED 4
$g preempt --pid $a --detach 2>$tmp/err
t 'the same target twice' is "$? $(grep -c 'is held already' $tmp/err)" '1 1'
json resume --pid $a
t 'resume ends it' is "$status $(count released)" '0 1'
t 'when it returns they run' states $a ACTIVE 4
json resume --pid $a
t 'nothing to resume' is "$status $out" '0 '
t 'no file is left' is "$(ls /run/gpreempt)" ''
$g preempt --pid $a --detach >$tmp/hold
kill -9 "$(pidof gpreempt)"
t 'killed in the background' soon states $a ACTIVE 4
json resume --pid $a
t 'nothing to resume then' is "$status $out" '0 '
t 'what it left is in nobody'"'"'s way' $g preempt --pid $a --detach >/dev/null
t 'all are held again' states $a PREEMPTED 4
$g resume --pid $a >/dev/null
t 'and resumed again' states $a ACTIVE 4

/t/pty '.jp...r...p...q' $g top -d 0.2 --pid $a >$tmp/screen &
pty=$!
t 'top preempts' soon states $a PREEMPTED 1
t 'top resumes' soon states $a ACTIVE 4
t 'and preempts again' soon states $a PREEMPTED 1
wait $pty
t 'q ends top' is $? 0
t 'with what it held' states $a ACTIVE 4
t 'the terminal is as before' has '[?1049l' $tmp/screen

mkdir -p $tmp/cg
mount -t cgroup2 none $tmp/cg
mkdir -p $tmp/cg/job/step
/t/busy $tmp/b 3 1 &
b=$!
echo $b >$tmp/cg/job/step/cgroup.procs
t 'another program' soon states $b ACTIVE 1
json list --cgroup $tmp/cg/job
t 'a cgroup, and those below' is "$(count '"pid"') $(count "\"pid\":$b,")" '1 1'
$g preempt --cgroup $tmp/cg/job --detach >/dev/null
t 'is held' states $b PREEMPTED 1
t 'others are not' states $a ACTIVE 4
kill -USR1 $b
t 'a new queue in it is' soon states $b PREEMPTED 2
$g resume --cgroup $tmp/cg/../cg/job/ >/dev/null
t 'resumed, whatever way it is written' states $b ACTIVE 2

export PATH="$PATH:/t"
sh /t/freeze-cgroup.sh freeze $tmp/cg/job
t 'freeze-cgroup.sh freezes' has 'frozen 1' $tmp/cg/job/cgroup.events
t 'and preempts' states $b PREEMPTED 2
t 'what is frozen stands' stands $tmp/b
sh /t/freeze-cgroup.sh thaw $tmp/cg/job
t 'and thaws' states $b ACTIVE 2
t 'work goes on' soon moves $tmp/b

mkdir -p $tmp/cg/slurmstepd.scope/job_5/step_0/user
echo $b >$tmp/cg/slurmstepd.scope/job_5/step_0/user/cgroup.procs
SLURM_CGROUP=$tmp/cg/slurmstepd.scope INTERVAL=0.2 sh /t/slurm-suspend.sh &
watcher=$!
echo 1 >$tmp/cg/slurmstepd.scope/job_5/step_0/user/cgroup.freeze
t 'slurm-suspend.sh follows a job that is suspended' soon states $b PREEMPTED 2
echo 0 >$tmp/cg/slurmstepd.scope/job_5/step_0/user/cgroup.freeze
t 'and resumed' soon states $b ACTIVE 2
echo 1 >$tmp/cg/slurmstepd.scope/job_5/step_0/user/cgroup.freeze
t 'and suspended again' soon states $b PREEMPTED 2
kill -TERM $watcher
wait $watcher
t 'and holds nothing when it ends' soon states $b ACTIVE 2
echo 0 >$tmp/cg/slurmstepd.scope/job_5/step_0/user/cgroup.freeze

hold --pid $b
kill -TERM $b
usleep 200000
kill -9 $b
t 'a hold ends with its target' soon gone $holder
t 'and says so' has 'the target is gone' $tmp/hold
$g preempt --pid $b 2>$tmp/err
t 'no such process' is "$? $(grep -c 'No such process' $tmp/err)" '1 1'

json config
t 'all parameters' is "$(count '"name"')" 9
json config interval_us=2000 policy=aged
t 'set two' is "$status $(count '"value":2000') $(count '"word":"aged"')" '0 1 1'
json config "$gpu" interval_us
t 'and they stay' is "$(count '"value":2000')" 1
$g config interval_us=5000 starvation_ms=1 >/dev/null 2>$tmp/err
t 'out of bounds' is "$? $(grep -c 'starvation_ms is 10 to 3600000' $tmp/err)" '2 1'
json config interval_us
t 'then nothing is set' is "$(count '"value":2000')" 1
$g config no_such=1 2>$tmp/err
t 'no such parameter' is $? 2
$g config policy=strict enable=1 >$tmp/table
t 'words are shown' has '0 (strict)' $tmp/table
cat /sys/bus/pci/devices/*/gpreempt/0/policy >$tmp/out
t 'the driver says the same' has '[strict]' $tmp/out

$g trace -d 30 --json >$tmp/trace &
trace=$!
$g trace -d 3 >$tmp/readable &
readable=$!
instances()
{
	[ "$(find /sys/kernel/tracing/instances -maxdepth 1 -name 'gpreempt-*' | wc -l)" = "$1" ]
}
t 'trace has instances of its own' soon instances 2
soon has started $tmp/trace
/t/busy $tmp/c 12 1 &
c=$!
t 'the monitor preempts' soon states $a PREEMPTED 4
t 'and holds' is "$(count '"holder":"monitor"')" 4
json resume --pid $a
t 'what the monitor holds is no error' is "$status" 0
t 'and the table says who' soon table_holds $a 4
kill -TERM $c
wait $c
t 'the higher one has done its work' has ok $tmp/c
t 'the lower ones come back' soon states $a ACTIVE 4
usleep 200000
kill -INT $trace
wait $trace
t 'Ctrl-C ends trace' is $? 0
wait $readable
cat $tmp/trace >/dev/ttyS1
t 'inversions are traced' has '{"event":"inversion",' $tmp/trace
t 'preemptions are traced' has '"who":"monitor","reason":"higher"' $tmp/trace
t 'resumes are traced' has '"reason":"holdoff"' $tmp/trace
tail -n 1 $tmp/trace >$tmp/out
t 'there is a summary' has '{"event":"summary",' $tmp/out
t 'that counts' not has '"preemptions":{"count":0' $tmp/out
t 'for people too' has 'save    p50' $tmp/readable
t 'no instance is left' instances 0
$g config enable=off >/dev/null

# Somebody else
u()
{
	su plain -c "XDG_RUNTIME_DIR=/tmp $*"
}
u $g list --json >$tmp/out
t 'another user sees no queues' not has '"pid"' $tmp/out
cat $tmp/out >/dev/ttyS1
u $g preempt --pid $a -- $g list --pid $a >$tmp/out 2>$tmp/err
t 'and holds none' has 'holding queues: 0' $tmp/err
t 'they run' states $a ACTIVE 4
u $g config interval_us=1000 >/dev/null 2>$tmp/err
t 'and sets nothing' is "$? $(grep -c CAP_SYS_ADMIN $tmp/err)" '1 1'
u $g config interval_us >/dev/null 2>&1
t 'but may look' is $? 0
u $g trace -d 1 >/dev/null 2>$tmp/err
t 'and traces nothing' is "$? $(grep -c 'do it as root' $tmp/err)" '1 1'
: >$tmp/d
chmod 666 $tmp/d
su plain -c "exec /t/busy $tmp/d 7 1" &
soon moves $tmp/d
d=$(pidof busy | tr ' ' '\n' | grep -vx $a)
u $g list --json >$tmp/out
t 'but his own' has "\"pid\":$d,\"uid\":1000,\"user\":\"plain\"" $tmp/out
u $g preempt --pid "$d" --detach >/dev/null
t 'which he holds' states "$d" PREEMPTED 1
u $g resume --pid "$d" >/dev/null
t 'and resumes' states "$d" ACTIVE 1
$g preempt --pid "$d" -- $g list --pid "$d" >$tmp/out 2>/dev/null
t 'root may as well' has PREEMPTED $tmp/out
chmod 600 /dev/kfd
u $g list >/dev/null 2>$tmp/err
t 'without /dev/kfd' is "$? $(grep -c 'group' $tmp/err)" '1 1'

kill -TERM "$d" $a
soon gone "$d"
soon gone $a
t 'each workgroup ran once' is "$(tail -n 1 $tmp/a) $(tail -n 1 $tmp/d)" 'ok ok'
echo "1..$n"
exit $failed
