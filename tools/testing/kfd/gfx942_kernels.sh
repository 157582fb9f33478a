#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Assemble the GPU programs into a header. Needs an LLVM that knows
# gfx942 (17 or later), with lld: Debian's clang-19, lld-19 and llvm-19.
# LLVM=-18 takes another version.

set -e

: "${LLVM=-19}"
dir=$(dirname "$0")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

kernels="count wait store"
entry=256

"clang$LLVM" --target=amdgcn-amd-amdhsa -mcpu=gfx942 -c -x assembler \
	"$dir/gfx942_kernels.S" -o "$tmp/kernels.o"
"ld.lld$LLVM" -shared "$tmp/kernels.o" -o "$tmp/kernels.so"

words() {
	od -An -v -tx4 "$1" |
	awk '{ for (i = 1; i <= NF; i++) printf "%s0x%s,%s",
		(n % 6 ? " " : "\t"), $i, (++n % 6 ? "" : "\n") }
	     END { if (n % 6) printf "\n" }'
}

upper() {
	echo "$1" | tr '[:lower:]' '[:upper:]'
}

{
	printf '/* SPDX-License''-Identifier: GPL-2.0 */\n'
	cat <<-END
	/*
	 * GPU programs for the tests of amdkfd, for gfx942 (MI300).
	 * Made by gfx942_kernels.sh; the .S explains them.
	 *
	 * An object is a kernel descriptor, and at GFX942_KERNEL_ENTRY the code. To run, it
	 * must lie at a multiple of 256 bytes, anywhere.
	 */
	#ifndef GFX942_KERNELS_H
	#define GFX942_KERNELS_H

	#include <linux/types.h>

	/* What a wave needs for one of its loops: s_sleep 127 at 2.1 GHz */
	#define GFX942_LOOP_NS		4000

	/* Offset of the code in each object, as its descriptor says */
	#define GFX942_KERNEL_ENTRY	$entry

	/* The kernarg segment, 16-byte aligned */
	struct gfx942_kernarg {
		__u64 counters;	/* array of __u32, one for each workgroup; 0: none */
		__u64 flag;	/* __u32 that wait waits for */
		__u32 loops;	/* how long a workgroup runs */
		__u32 value;	/* what store stores */
		__u64 reserved;
	};

	enum gfx942_kernel_id {
	END
	for k in $kernels; do
		printf '\tGFX942_%s,\n' "$(upper "$k")"
	done
	printf '\tGFX942_KERNELS\n};\n'
	for k in $kernels; do
		"llvm-objcopy$LLVM" -O binary --only-section=.gfx942."$k" \
			"$tmp/kernels.so" "$tmp/$k"
		printf '\nstatic const __u32 gfx942_%s_object[] = {\n' "$k"
		words "$tmp/$k"
		printf '};\n'
	done
	cat <<-END

	struct gfx942_kernel {
		const char *name;
		const __u32 *object;
		__u32 object_size;	/* bytes, descriptor and code */
		__u32 code_size;	/* bytes, code alone */
	};

	static const struct gfx942_kernel gfx942_kernels[GFX942_KERNELS] = {
	END
	for k in $kernels; do
		printf '\t[GFX942_%s] = {\n' "$(upper "$k")"
		printf '\t\t"%s", gfx942_%s_object, sizeof(gfx942_%s_object),\n' "$k" "$k" "$k"
		printf '\t\tsizeof(gfx942_%s_object) - GFX942_KERNEL_ENTRY\n' "$k"
		printf '\t},\n'
	done
	printf '};\n\n#endif\n'
} | sed 's/^ \(\t\)/\1/' > "$tmp/gfx942_kernels.h"

for k in $kernels; do
	offset=$(od -An -td8 -j16 -N8 "$tmp/$k" | tr -d ' ')
	if [ "$offset" != "$entry" ]; then
		echo "$k: the code is at $offset" >&2
		exit 1
	fi
done
mv "$tmp/gfx942_kernels.h" "$dir/gfx942_kernels.h"
