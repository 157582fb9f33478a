// SPDX-License-Identifier: GPL-2.0
/*
 * The hardware side of the mock GPU: the kernels with which ROCR and HIP copy and
 * fill memory where they do not use SDMA, and with which ROCR uploads code.
 *
 * They are known by a hash of their code: its length, and FNV-1a of its bytes with
 * 64 bits, from the entry point to the end of the last s_endpgm. Below are those
 * that ROCR 6.1.2 (Debian 13) takes for gfx942, and those that HIP 5.7.1 makes for
 * it with comgr 6.0. Another version's may differ; then they count as "unexecuted",
 * and what they should have copied is missing.
 *
 * Arguments: union KernelArgs of ROCR's amd_blit_kernel.h; and of HIP's kernels in
 * rocclr's blitcl.cpp, as their code uses them. ROCR's kernels work in phases, by how
 * aligned the addresses are, but all of them together on one range. Which work-item
 * does what of it is not modelled: each workgroup does a part in one piece, when it
 * ends.
 */

#include "hw.h"

/* Arguments, in units of 8 bytes */
enum {
	ROCR_FILL_VALUE = 3,

	HIP_FILL_UCHAR = 0,	/* one of four pointers; the others are NULL */
	HIP_FILL_ULONG = 3,
	HIP_FILL_PATTERN,	/* where the elements of a pattern are */
	HIP_FILL_PATTERN_SIZE,	/* u32, how many they are */
	HIP_FILL_OFFSET,	/* in elements */
	HIP_FILL_SIZE,		/* how many patterns */

	HIP_COPY_SRC = 0,
	HIP_COPY_DST,
	HIP_COPY_SRC_OFFSET,
	HIP_COPY_DST_OFFSET,
	HIP_COPY_SIZE,		/* in items */
	HIP_COPY_REST,		/* u32; copyBufferAligned: alignment */

	BLIT_ARGS = 10
};

struct blit {
	u32 kernel;
	u32 len;
	u64 hash;
	u32 args;
	bool (*know)(struct mock_hw *hw, struct mock_dispatch *d, const u64 *arg);
};

/* A wave waits for memory about so long for each 64 times 16 bytes: a guess */
#define BLIT_KIB_NS	1000
/* More than any memory has */
#define BLIT_MAX	BIT_ULL(40)
/* Parts begin at such addresses, seen from the beginning */
#define BLIT_ALIGN	256ULL
/* Copied at a stretch */
#define BLIT_CHUNK	(2 * PAGE_SIZE)

static bool rocr_copy(struct mock_dispatch *d, const u64 *arg, u32 src_end)
{
	d->src = arg[0];
	d->dst = arg[1];
	d->len = arg[src_end + 1] - d->dst;
	return arg[src_end] - d->src == d->len;
}

/* As dwords, where it can */
static bool rocr_copy_aligned(struct mock_hw *hw, struct mock_dispatch *d, const u64 *arg)
{
	return rocr_copy(d, arg, 8);
}

/* Byte by byte */
static bool rocr_copy_misaligned(struct mock_hw *hw, struct mock_dispatch *d, const u64 *arg)
{
	return rocr_copy(d, arg, 4);
}

static bool rocr_fill(struct mock_hw *hw, struct mock_dispatch *d, const u64 *arg)
{
	d->dst = arg[0];
	d->len = arg[2] - d->dst;
	d->value = lower_32_bits(arg[ROCR_FILL_VALUE]);
	return true;
}

/* __amd_rocclr_fillBufferAligned */
static bool hip_fill(struct mock_hw *hw, struct mock_dispatch *d, const u64 *arg)
{
	u32 size = lower_32_bits(arg[HIP_FILL_PATTERN_SIZE]), shift, i;
	u64 va = arg[HIP_FILL_PATTERN];
	u8 pattern[16];

	for (shift = HIP_FILL_ULONG; shift && !arg[HIP_FILL_UCHAR + shift]; shift--)
		;
	if (!size || size > sizeof(pattern) >> shift || arg[HIP_FILL_SIZE] > BLIT_MAX)
		return false;
	size <<= shift;
	if (mock_mem_read(d->q->vm, va, pattern, size)) {
		mock_vm_fault(hw, d->q, va, false, "a pattern");
		return false;
	}
	for (i = size; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - size];
	/* hipMemset() and its like have values of 4 bytes at most: the same again and again */
	if (sizeof(pattern) % size || memcmp(pattern, pattern + 4, sizeof(pattern) - 4))
		return false;
	d->dst = arg[HIP_FILL_UCHAR + shift] + (arg[HIP_FILL_OFFSET] << shift);
	d->len = arg[HIP_FILL_SIZE] * size;
	memcpy(&d->value, pattern, sizeof(d->value));
	return true;
}

static bool hip_copy_items(struct mock_dispatch *d, const u64 *arg, u32 offset_unit, u32 item)
{
	if (!arg[HIP_COPY_SIZE] || arg[HIP_COPY_SIZE] > BLIT_MAX)
		return false;
	d->src = arg[HIP_COPY_SRC] + arg[HIP_COPY_SRC_OFFSET] * offset_unit;
	d->dst = arg[HIP_COPY_DST] + arg[HIP_COPY_DST_OFFSET] * offset_unit;
	d->len = arg[HIP_COPY_SIZE] * item;
	return true;
}

/* __amd_rocclr_copyBuffer: bytes, or dwords of which the last has only so many bytes */
static bool hip_copy(struct mock_hw *hw, struct mock_dispatch *d, const u64 *arg)
{
	u32 rest = lower_32_bits(arg[HIP_COPY_REST]);

	if (rest == 8)
		return hip_copy_items(d, arg, 1, 1);
	if (rest > 4 || !hip_copy_items(d, arg, 1, 4))
		return false;
	d->len -= 4 - rest;
	return true;
}

/* __amd_rocclr_copyBufferAligned */
static bool hip_copy_aligned(struct mock_hw *hw, struct mock_dispatch *d, const u64 *arg)
{
	u32 item = lower_32_bits(arg[HIP_COPY_REST]) == 16 ? 16 : 4;

	return hip_copy_items(d, arg, item, item);
}

static const struct blit blits[] = {
	{ MOCK_COPY, 496, 0x0f0b93f302c26e87, 10, rocr_copy_aligned },
	{ MOCK_COPY, 412, 0xd4f9895155a5f28d, 6, rocr_copy_misaligned },
	{ MOCK_FILL, 188, 0xd21be62946838eb0, 4, rocr_fill },
	{ MOCK_FILL, 568, 0xb5bd6c8316a12c51, 8, hip_fill },
	{ MOCK_COPY, 344, 0x60c48b1041f7e594, 6, hip_copy },
	{ MOCK_COPY, 204, 0xbe23eec73bdf32c8, 6, hip_copy_aligned },
};

/* Not through hw->buf: a restore that asks for a dispatch has its waves there */
static bool blit_is(struct mock_vm *vm, u64 code, const struct blit *b)
{
	u64 hash = 0xcbf29ce484222325;
	u8 part[128];
	u32 pos, n, i;

	for (pos = 0; pos < b->len; pos += n) {
		n = min_t(u32, b->len - pos, sizeof(part));
		if (mock_mem_read(vm, code + pos, part, n))
			return false;
		for (i = 0; i < n; i++)
			hash = (hash ^ part[i]) * 0x100000001b3;
	}
	return hash == b->hash;
}

static const struct blit *blit_find(struct mock_vm *vm, u64 code)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(blits); i++)
		if (blit_is(vm, code, &blits[i]))
			return &blits[i];
	return NULL;
}

/**
 * mock_blit_know - is this a kernel of the runtime?
 * @hw: the GPU
 * @d: the dispatch; what is known of it is written there
 * @code: address of its code
 * @kernarg: address of its arguments
 */
void mock_blit_know(struct mock_hw *hw, struct mock_dispatch *d, u64 code, u64 kernarg)
{
	const struct blit *b = blit_find(d->q->vm, code);
	u64 arg[BLIT_ARGS];

	if (!b)
		return;
	if (mock_mem_read(d->q->vm, kernarg, arg, b->args * sizeof(*arg))) {
		mock_vm_fault(hw, d->q, kernarg, false, "kernel arguments");
		return;
	}
	if (!b->know(hw, d, arg) || d->len > BLIT_MAX)
		return;
	d->kernel = b->kernel;
	d->duration = DIV_ROUND_UP_ULL(mock_blit_part(d) * BLIT_KIB_NS, SZ_1K);
}

/**
 * mock_blit_part - what a workgroup does
 * @d: the dispatch
 *
 * Return: bytes; the last ones do less or nothing
 */
u64 mock_blit_part(const struct mock_dispatch *d)
{
	return max(round_up(DIV_ROUND_UP_ULL(d->len, d->total), BLIT_ALIGN), BLIT_ALIGN);
}

/**
 * mock_blit_effect - what a workgroup leaves in memory
 * @hw: the GPU
 * @d: the dispatch
 * @group: the workgroup
 */
void mock_blit_effect(struct mock_hw *hw, struct mock_dispatch *d, u32 group)
{
	u64 part = mock_blit_part(d), pos = part * group;
	u64 end = min(pos + part, d->len);
	struct mock_vm *vm = d->q->vm;
	u32 n;

	if (d->kernel == MOCK_FILL)
		memset32((u32 *)hw->buf, d->value, BLIT_CHUNK / 4);
	for (; pos < end; pos += n) {
		n = min_t(u64, end - pos, BLIT_CHUNK);
		if (d->kernel == MOCK_COPY && mock_mem_read(vm, d->src + pos, hw->buf, n)) {
			mock_vm_fault(hw, d->q, d->src + pos, false, "what is to be copied");
			return;
		}
		if (mock_mem_write(vm, d->dst + pos, hw->buf, n)) {
			mock_vm_fault(hw, d->q, d->dst + pos, true, "a copy");
			return;
		}
	}
}
