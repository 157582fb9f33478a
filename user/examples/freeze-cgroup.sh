#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# freeze-cgroup.sh freeze|thaw CGROUP: stop the programs of a cgroup (version 2) on the CPU and
# on the GPU, and let them go on. A frozen program alone keeps the GPU busy with all that it
# has submitted.
set -eu

fail()
{
	echo "freeze-cgroup.sh: $*" >&2
	exit 1
}

[ $# = 2 ] || fail "usage: freeze-cgroup.sh freeze|thaw CGROUP"
cgroup=$2
[ -w "$cgroup/cgroup.freeze" ] ||
	fail "$cgroup is no cgroup of version 2 that you may freeze"

# Freezing may take a while: a program is frozen when it leaves the kernel.
frozen()
{
	tries=0
	until grep -qx "frozen $1" "$cgroup/cgroup.events"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "$cgroup does not get to 'frozen $1'"
		sleep 0.1
	done
}

case $1 in
freeze)
	# First the CPU: then nobody creates a queue that is not held yet. This must not run in
	# the cgroup itself.
	echo 1 >"$cgroup/cgroup.freeze"
	frozen 1
	gpreempt preempt --cgroup "$cgroup" --detach
	;;
thaw)
	gpreempt resume --cgroup "$cgroup"
	echo 0 >"$cgroup/cgroup.freeze"
	frozen 0
	;;
*)
	fail "usage: freeze-cgroup.sh freeze|thaw CGROUP"
	;;
esac
