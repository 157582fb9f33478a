# SPDX-License-Identifier: GPL-2.0
# What the scripts share. Sourced from the top of the repository.
# shellcheck shell=sh

top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$top/build
linux=$build/linux
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
		# Where this machine gets Debian 12 from, it gets Debian 13 from.
		uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | sed -n \
			's/^URIs: *\([^ ]*\).*/\1/p; s/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' |
			grep -E '/debian/?$' | head -n 1)
		[ -n "$uri" ] || die "no Debian mirror in the package sources"
		printf '%s [signed-by=%s] %s trixie main\n' "$type" \
			/usr/share/keyrings/debian-archive-keyring.gpg "$uri" >"$apt/sources.list"
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
