#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# slurm-suspend.sh: a daemon for a node of a Slurm cluster that stops jobs on the GPU when Slurm
# suspends them (scontrol suspend, PreemptMode=SUSPEND with gang scheduling), and lets them go on.
#
# Slurm calls no program when it suspends a job: SuspendProgram is about nodes that are switched
# off. With ProctrackType=proctrack/cgroup it writes 1 to cgroup.freeze of each step, whose
# programs are in SLURM_CGROUP/job_ID/step_ID/user. Whether they are frozen is in cgroup.events
# there, and that is what this watches. Run it as root, as a service beside slurmd:
#
#	[Service]
#	ExecStart=/usr/local/sbin/slurm-suspend.sh
#
# SLURM_CGROUP: where slurmstepd has its jobs. INTERVAL: seconds between two looks.
set -eu
SLURM_CGROUP=${SLURM_CGROUP:-/sys/fs/cgroup/system.slice/slurmstepd.scope}
INTERVAL=${INTERVAL:-1}

# Paths of what is held, each in quotes of newlines
held='
'

release_all()
{
	echo "$held" | while read -r step; do
		[ -z "$step" ] || gpreempt resume --cgroup "$step" || true
	done
	exit 0
}
trap release_all INT TERM

look()
{
	for step in "$SLURM_CGROUP"/job_*/step_*/user; do
		[ -e "$step/cgroup.events" ] || continue
		case $held in
		*"
$step
"*) is_held=1 ;;
		*) is_held=0 ;;
		esac
		# A step can end between two lines of this
		if grep -qsx 'frozen 1' "$step/cgroup.events"; then
			[ $is_held = 1 ] && continue
			held="$held$step
"
			gpreempt preempt --cgroup "$step" --detach || true
		elif [ $is_held = 1 ]; then
			gpreempt resume --cgroup "$step" || true
			held=$(echo "$held" | grep -vxF "$step" || true)"
"
		fi
	done
}

while :; do
	look
	sleep "$INTERVAL"
done
