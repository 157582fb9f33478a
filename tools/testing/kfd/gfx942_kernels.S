/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GPU programs for the tests of amdkfd, for gfx942 (MI300).
 *
 * The script next to this assembles them into two headers: the bare kernels, and
 * a code object that runtimes load. The mock GPU knows a dispatch by its code; a
 * real MI300 would run it. They have not been run on one.
 *
 * Each kernel has a section of its own: the descriptor, then at the next 256
 * bytes, as COMPUTE_PGM_LO wants it, the code. One wave for a workgroup.
 *
 * Registers at the start, as the descriptor asks for them:
 *	s[0:1]	kernarg segment, struct gfx942_kernarg
 *	s2	workgroup id x
 *	v0	work-item id, x in bits 0 to 9
 */
	.amdgcn_target "amdgcn-amd-amdhsa--gfx942"
	.amdhsa_code_object_version 5

	/* Offsets in struct gfx942_kernarg */
	.set KA_COUNTERS, 0
	.set KA_LOOPS, 16

	.macro descriptor name
	.section .gfx942.\name, "ax", @progbits
	.globl \name
	.protected \name
	.p2align 8
	.amdhsa_kernel \name
		.amdhsa_kernarg_size 32
		.amdhsa_user_sgpr_kernarg_segment_ptr 1
		.amdhsa_system_sgpr_workgroup_id_x 1
		.amdhsa_system_sgpr_workgroup_id_y 0
		.amdhsa_system_sgpr_workgroup_id_z 0
		.amdhsa_system_vgpr_workitem_id 0
		.amdhsa_next_free_vgpr 4
		.amdhsa_next_free_sgpr 16
		.amdhsa_accum_offset 4
		.amdhsa_reserve_vcc 1
		.amdhsa_reserve_xnack_mask 1
	.end_amdhsa_kernel
	.p2align 8
	.type \name, @function
\name:
	.endm

	.macro code_end name
	.size \name, . - \name
	.endm

	/* s[4:5] counters, s[6:7] flag, s8 loops, s9 value */
	.macro load_args
	s_load_dwordx4 s[4:7], s[0:1], KA_COUNTERS
	s_load_dwordx2 s[8:9], s[0:1], KA_LOOPS
	s_waitcnt lgkmcnt(0)
	.endm

	/* s8 times 127 * 64 clocks, near 4 us at 2.1 GHz: GFX942_LOOP_NS */
	.macro delay
1:	s_cmp_eq_u32 s8, 0
	s_cbranch_scc1 2f
	s_sleep 127
	s_sub_u32 s8, s8, 1
	s_branch 1b
2:
	.endm

	/* Leave all but work-item 0; v1 = offset of this workgroup's counter */
	.macro only_item_0
	v_cmp_eq_u32_e32 vcc, 0, v0
	s_and_saveexec_b64 s[10:11], vcc
	s_cbranch_execz 9f
	s_lshl_b32 s2, s2, 2
	v_mov_b32_e32 v1, s2
	.endm

	.macro add_one
	s_cmp_eq_u64 s[4:5], 0
	s_cbranch_scc1 9f
	only_item_0
	v_mov_b32_e32 v2, 1
	/* sc1: system scope, the CPU counts along */
	global_atomic_add v1, v2, s[4:5] sc1
	s_waitcnt vmcnt(0)
9:	s_endpgm
	.endm

	/* After loops: counters[workgroup id] += 1 */
	descriptor count
	load_args
	delay
	add_one
	code_end count

	/* Wait for *flag != 0, then as count */
	descriptor wait
	load_args
	v_mov_b32_e32 v1, 0
3:	global_load_dword v2, v1, s[6:7] sc0 sc1
	s_waitcnt vmcnt(0)
	v_readfirstlane_b32 s12, v2
	s_cmp_lg_u32 s12, 0
	s_cbranch_scc1 4f
	s_sleep 127
	s_branch 3b
4:	buffer_inv sc0 sc1
	delay
	add_one
	code_end wait

	/* counters[workgroup id] = value */
	descriptor store
	load_args
	only_item_0
	v_mov_b32_e32 v2, s9
	global_store_dword v1, v2, s[4:5] sc0 sc1
	s_waitcnt vmcnt(0)
9:	s_endpgm
	code_end store
