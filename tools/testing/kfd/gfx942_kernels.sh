#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Assemble the GPU programs into two headers: each kernel by itself, and a code
# object of all of them, as HSA and HIP load it. Needs an LLVM that knows
# gfx942 (17 or later), with lld: Debian's clang-19, lld-19 and llvm-19.
# LLVM=-18 takes another version.

set -e

: "${LLVM=-19}"
dir=$(dirname "$0")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

kernels="count wait store"
entry=256

# What runtimes want to know: code object version 5, struct gfx942_kernarg, and
# what the descriptors say
metadata() {
	printf '\t.amdgpu_metadata\n---\namdhsa.version: [ 1, 2 ]\n'
	printf 'amdhsa.target: amdgcn-amd-amdhsa--gfx942\namdhsa.kernels:\n'
	for k in $kernels; do
		cat <<-END
		  - .name: $k
		    .symbol: $k.kd
		    .kernarg_segment_size: 32
		    .kernarg_segment_align: 16
		    .group_segment_fixed_size: 0
		    .private_segment_fixed_size: 0
		    .wavefront_size: 64
		    .sgpr_count: 22
		    .vgpr_count: 4
		    .agpr_count: 0
		    .max_flat_workgroup_size: 1024
		    .args:
		      - { .name: counters, .offset: 0, .size: 8,
		          .value_kind: global_buffer, .address_space: global }
		      - { .name: flag, .offset: 8, .size: 8,
		          .value_kind: global_buffer, .address_space: global }
		      - { .name: loops, .offset: 16, .size: 4, .value_kind: by_value }
		      - { .name: value, .offset: 20, .size: 4, .value_kind: by_value }
		      - { .name: reserved, .offset: 24, .size: 8, .value_kind: by_value }
		END
	done
	printf '...\n\t.end_amdgpu_metadata\n'
}

{
	cat "$dir/gfx942_kernels.S"
	metadata
} > "$tmp/kernels.S"
"clang$LLVM" --target=amdgcn-amd-amdhsa -mcpu=gfx942 -c -x assembler \
	"$tmp/kernels.S" -o "$tmp/kernels.o"
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
} | sed 's/^    /\t/' > "$tmp/gfx942_kernels.h"

for k in $kernels; do
	offset=$(od -An -td8 -j16 -N8 "$tmp/$k" | tr -d ' ')
	if [ "$offset" != "$entry" ]; then
		echo "$k: the code is at $offset" >&2
		exit 1
	fi
done

{
	printf '/* SPDX-License''-Identifier: GPL-2.0 */\n'
	cat <<-END
	/*
	 * The GPU programs of gfx942_kernels.h as a code object: an ELF file for
	 * hsa_code_object_reader_create_from_memory() or hipModuleLoadData().
	 * Made by gfx942_kernels.sh.
	 */
	#ifndef GFX942_CODE_OBJECT_H
	#define GFX942_CODE_OBJECT_H

	#include <linux/types.h>

	static const __u32 gfx942_code_object[] = {
	END
	words "$tmp/kernels.so"
	printf '};\n\n#endif\n'
} > "$tmp/gfx942_code_object.h"

mv "$tmp/gfx942_kernels.h" "$tmp/gfx942_code_object.h" "$dir"
