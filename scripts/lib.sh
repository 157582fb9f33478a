# SPDX-License-Identifier: GPL-2.0
# What the scripts share. Sourced from the top of the repository.
# shellcheck shell=sh

top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$top/build
linux=$build/linux
# shellcheck disable=SC2034 # not every script compiles
jobs=$(nproc)
[ -d /usr/lib/ccache ] && PATH=/usr/lib/ccache:$PATH
export PATH

say()
{
	printf '== %s\n' "$*"
}

die()
{
	printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
	exit 1
}

# need PACKAGE...: install what is missing, or say how.
need()
{
	missing=
	for pkg in "$@"; do
		dpkg-query -W -f '${Status}\n' "$pkg" 2>/dev/null | grep -q 'ok installed$' ||
			missing="$missing $pkg"
	done
	[ -z "$missing" ] && return 0
	[ "$(id -u)" = 0 ] ||
		die "these Debian packages are missing; as root: apt-get install$missing"
	say "installing$missing"
	mkdir -p "$build"
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086
	{ apt-get -qq update && apt-get -qq -y --no-install-recommends install $missing; } \
		>"$build/apt.log" 2>&1 ||
		die "apt-get could not install$missing (see build/apt.log)"
}

# run LOG COMMAND...: run quietly with a dot every few seconds; show the end of LOG on failure.
run()
{
	log=$1
	shift
	"$@" >"$log" 2>&1 &
	pid=$!
	n=0
	while kill -0 $pid 2>/dev/null; do
		sleep 1
		n=$((n + 1))
		[ $((n % 10)) = 0 ] && printf '   %4d s, %s lines, %s\n' $n "$(wc -l <"$log")" \
			"$(tail -n 1 "$log" | cut -c 1-60)"
	done
	wait $pid || {
		tail -n 30 "$log" >&2
		die "failed: $* (see ${log#"$top"/})"
	}
}

# The patches, in the order of the series.
patches()
{
	(cd "$top/patches" && xargs -a series realpath)
}

series_hash()
{
	patches | xargs cat | sha256sum | cut -d ' ' -f 1
}

# debian13_source TYPE: the line for sources.list that gives Debian 13, of deb or deb-src: where this
# machine gets Debian 12 from, it gets Debian 13 from.
debian13_source()
{
	uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | sed -n \
		's/^URIs: *\([^ ]*\).*/\1/p; s/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' |
		grep -E '/debian/?$' | head -n 1)
	[ -n "$uri" ] || die "no Debian mirror in the package sources"
	printf '%s [signed-by=%s] %s trixie main\n' "$1" \
		/usr/share/keyrings/debian-archive-keyring.gpg "$uri"
}

# debian13 DIR TYPE WORD...: apt-get WORD... where Debian 13 is the only source, of deb or deb-src.
# Its state is in DIR: the machine's own package sources stay as they are.
debian13()
{
	apt=$1
	type=$2
	shift 2
	if [ ! -e "$apt/sources.list" ]; then
		mkdir -p "$apt/etc/preferences.d" "$apt/etc/apt.conf.d" "$apt/state/lists/partial" \
			"$apt/cache/archives/partial"
		touch "$apt/status"
		line=$(debian13_source "$type")
		echo "$line" >"$apt/sources.list"
	fi
	apt-get -qq -o Dir::Etc="$apt/etc" -o Dir::Etc::sourcelist="$apt/sources.list" \
		-o Dir::Etc::sourceparts=- -o Dir::State="$apt/state" \
		-o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
		-o APT::Sandbox::User=root -o APT::Architecture=amd64 "$@"
}

hash_of()
{
	cat "$@" 2>/dev/null | sha256sum | cut -d ' ' -f 1
}

kgit()
{
	git -C "$linux" -c user.name='GPREEMPT developers' \
		-c user.email=gpreempt@localhost -c gc.auto=0 "$@"
}

# configure DIRECTORY MAKE-ARGUMENTS FRAGMENT...: tinyconfig and the fragments, the last one wins.
configure()
{
	o=$1
	args=$2
	shift 2
	mkdir -p "$o"
	sum=$(hash_of "$@" "$linux/Makefile")
	[ -e "$o/.config" ] && [ "$sum" = "$(cat "$o/config.sum" 2>/dev/null)" ] && return 0
	say "configuring ${o#"$top"/}"
	# shellcheck disable=SC2086
	make -s -C "$linux" O="$o" $args tinyconfig >"$o/config.log" 2>&1
	(cd "$o" && "$linux/scripts/kconfig/merge_config.sh" -m .config "$@") >>"$o/config.log" 2>&1
	# shellcheck disable=SC2086
	make -s -C "$linux" O="$o" $args olddefconfig >>"$o/config.log" 2>&1
	# A symbol that Kconfig dropped would quietly test less.
	sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=.*/\1 &/p; s/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1/p' "$@" |
		awk '{ last[$1] = $2 } END { for (s in last) if (last[s]) print last[s] }' |
		while read -r sym; do
			grep -qxF "$sym" "$o/.config" || die "$sym did not get into ${o#"$top"/}/.config"
		done
	echo "$sum" >"$o/config.sum"
}

# touched PATHSPEC...: C files that the series changes or adds
touched()
{
	kgit diff --name-only --diff-filter=d --no-renames base HEAD -- "$@" | grep '\.c$'
}

# kfd_objects DIRECTORY: what its configuration compiles of amdkfd, as the tree has it
kfd_objects()
{
	printf '%s\n' "include $1/.config" "AMDKFD_PATH := drivers/gpu/drm/amd/amdkfd" \
		"include $linux/drivers/gpu/drm/amd/amdkfd/Makefile" "all:; @echo \$(AMDKFD_FILES)" |
		make -s -f - | tr ' ' '\n'
}

# touched_objects DIRECTORY: what of them, and of amdgpu, the series touches
touched_objects()
{
	kfd_objects "$1" >"$1/kfd.objects"
	touched drivers/gpu/drm/amd/amdkfd | sed 's/c$/o/' | grep -xF -f "$1/kfd.objects"
	touched drivers ':!drivers/gpu/drm/amd/amdkfd' | sed 's/c$/o/'
}

# Objects of amdkfd are made by amdgpu's Makefile, and have the names that it gives them.
goals()
{
	sed 's|/amdkfd/|/amdgpu/../amdkfd/|'
}
