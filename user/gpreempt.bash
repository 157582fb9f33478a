# SPDX-License-Identifier: GPL-2.0
# Completion of gpreempt for bash.
# shellcheck shell=bash

_gpreempt_gpus()
{
	cat /sys/class/kfd/kfd/topology/nodes/*/gpu_id 2>/dev/null | grep -vx 0
}

_gpreempt()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local target='--pid --queue --cgroup --gpu' words='' i

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		words='list top preempt resume config trace decode --help --version'
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	# What comes after -- is another command
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ] && [ "${COMP_WORDS[1]}" = preempt ]; then
			if ((i + 1 == COMP_CWORD)); then
				mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			fi
			return
		fi
	done
	case $prev in
	--pid)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")
		return
		;;
	--gpu)
		mapfile -t COMPREPLY < <(compgen -W "$(_gpreempt_gpus)" -- "$cur")
		return
		;;
	--cgroup)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--sort | -s)
		mapfile -t COMPREPLY < <(compgen -W 'state pid priority waves pending times' -- "$cur")
		return
		;;
	--queue | --timeout | --delay | --iterations | --duration | -d | -n)
		return
		;;
	esac
	case ${COMP_WORDS[1]} in
	list) words="$target --json --help" ;;
	top) words="$target --batch --delay --iterations --sort --json --help" ;;
	preempt) words="$target --drain --timeout --detach --json --help --" ;;
	resume) words="$target --json --help" ;;
	config)
		words="--gpu --json --help enable interval_us holdoff_us starvation_ms slice_us
			policy aging_ms turn_us rank"
		;;
	trace) words='--duration --gpu --json --help' ;;
	decode)
		mapfile -t COMPREPLY < <(compgen -W '--help' -f -- "$cur")
		return
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _gpreempt gpreempt
