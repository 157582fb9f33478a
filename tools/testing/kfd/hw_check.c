// SPDX-License-Identifier: GPL-2.0
/*
 * The hardware side of the mock GPU: what must hold at all times.
 *
 * When a queue leaves an XCC, what firmware wrote is noted here; when it comes
 * back, MQD, control stack and save area must still say so, or the driver has
 * lost work. Nothing is ever restored from these notes.
 */

#include <linux/slab.h>
#include "hw.h"

struct mock_field {
	const char *name;
	u32 dw;
};

#define F(name) { #name, MQD_DW(name) }
static const struct mock_field fields[] = {
	F(cp_hqd_pq_rptr), { "aql_dispatch_id_lo", MQD_DISPATCH_ID },
	{ "aql_dispatch_id_hi", MQD_DISPATCH_ID + 1 },
	F(cp_hqd_ctx_save_base_addr_lo), F(cp_hqd_ctx_save_base_addr_hi),
	F(cp_hqd_ctx_save_size), F(cp_hqd_cntl_stack_size),
	F(cp_hqd_cntl_stack_offset), F(cp_hqd_wg_state_offset),
	F(compute_current_logic_xcc_id), F(compute_tg_chunk_size),
	F(cp_mqd_base_addr_lo), F(cp_mqd_base_addr_hi),
	F(compute_dispatch_initiator), F(compute_relaunch),
	F(compute_restart_x), F(compute_restart_y), F(compute_restart_z),
	F(compute_restart_cg_tg_id), F(compute_dispatch_id),
	F(compute_dim_x), F(compute_dim_y), F(compute_dim_z),
	F(compute_num_thread_x), F(compute_num_thread_y), F(compute_num_thread_z),
	F(compute_pgm_lo), F(compute_pgm_hi),
	F(compute_user_data_0), F(compute_user_data_1), F(compute_user_data_2),
	F(compute_user_data_3), F(compute_user_data_4), F(compute_user_data_5),
	F(compute_user_data_6), F(compute_user_data_7), F(compute_user_data_8),
	F(compute_user_data_9), F(compute_user_data_10), F(compute_user_data_11),
	F(compute_user_data_12), F(compute_user_data_13), F(compute_user_data_14),
	F(compute_user_data_15),
};

/**
 * struct mock_shadow - what is known of a queue that is not mapped, on one XCC
 * @node: in mock_hw.shadow
 * @mqd: GART address of the MQD
 * @xcc: index
 * @pasid: process
 * @saved: the rest says what was written when the queue was unmapped
 * @field: registers
 * @groups: saved workgroups
 * @sum: of control stack and records
 */
struct mock_shadow {
	struct hlist_node node;
	u64 mqd;
	u32 xcc;
	u32 pasid;
	bool saved;
	u32 field[ARRAY_SIZE(fields)];
	u32 groups;
	u64 sum;
};

static struct mock_shadow *shadow_find(struct mock_hw *hw, u64 mqd)
{
	struct mock_shadow *s;

	hash_for_each_possible(hw->shadow, s, node, mqd)
		if (s->mqd == mqd)
			return s;
	return NULL;
}

static struct mock_shadow *shadow_get(struct mock_hw *hw, struct mock_hqd *h)
{
	u64 mqd = HQD_REG64(h, cp_mqd_base_addr);
	struct mock_shadow *s = shadow_find(hw, mqd);

	if (!s) {
		/* may be under the DQM lock: no reclaim */
		s = kzalloc(sizeof(*s), GFP_ATOMIC | __GFP_NOWARN);
		if (!s)
			return NULL;
		s->mqd = mqd;
		s->xcc = h->xcc;
		hash_add(hw->shadow, &s->node, mqd);
	}
	s->pasid = h->q->pasid;
	return s;
}

/* Save areas of XCCs and queues are apart from each other. */
static void check_overlap(struct mock_hw *hw, struct mock_hqd *h)
{
	u64 base = HQD_REG64(h, cp_hqd_ctx_save_base_addr);
	u64 end = base + HQD_REG(h, cp_hqd_ctx_save_size);
	struct mock_queue *q;
	struct mock_hqd *o;
	u64 other;
	u32 x;

	list_for_each_entry(q, &h->q->part->mapped, node) {
		if (q->vm != h->q->vm)
			continue;
		for_each_inst(x, q->part->xccs) {
			o = q->hqd[x];
			if (o == h || o->state == HQD_OFF || !mock_hqd_has_cwsr(o))
				continue;
			other = HQD_REG64(o, cp_hqd_ctx_save_base_addr);
			if (other < end &&
			    base < other + HQD_REG(o, cp_hqd_ctx_save_size))
				mock_violation(hw->md,
					       "pasid %u: save area %llx of doorbell %x xcc %u overlaps %llx of doorbell %x xcc %u",
					       q->pasid, base, h->q->doorbell, h->xcc,
					       other, q->doorbell, x);
		}
	}
}

/* One workgroup, one XCC: no two XCCs take the same share. */
static void check_share(struct mock_hw *hw, struct mock_hqd *h)
{
	struct mock_queue *q = h->q;
	u32 id = HQD_REG(h, compute_current_logic_xcc_id);
	u32 n = hweight8(q->part->xccs), x;

	if (id >= n)
		mock_violation(hw->md,
			       "pasid %u doorbell %x xcc %u: compute_current_logic_xcc_id is %u of %u",
			       q->pasid, q->doorbell, h->xcc, id, n);
	for_each_inst(x, q->part->xccs)
		if (x != h->xcc && q->hqd[x]->state != HQD_OFF &&
		    HQD_REG(q->hqd[x], compute_current_logic_xcc_id) == id)
			mock_violation(hw->md,
				       "pasid %u doorbell %x: xcc %u and %u both are logical xcc %u",
				       q->pasid, q->doorbell, h->xcc, x, id);
}

/**
 * mock_check_scrub - spoil the MQDs and control stacks of queues that are off
 * @hw: the GPU
 *
 * For a test that a driver which puts a queue back from a copy has copied all
 * of it. A queue that the driver maps again as it is loses its work.
 */
void mock_check_scrub(struct mock_hw *hw)
{
	struct mock_shadow *s;
	u32 size, done;
	int i;

	memset(hw->buf, 0xa5, PAGE_SIZE);
	hash_for_each(hw->shadow, i, s, node) {
		if (!s->saved || mock_mem_read(&hw->md->gart, s->mqd +
					       4 * MQD_DW(cp_hqd_cntl_stack_size),
					       &size, sizeof(size)))
			continue;
		mock_mem_write(&hw->md->gart, s->mqd, hw->buf,
			       sizeof(struct v9_mqd));
		/* lies one page behind the MQD, see kfd_mqd_manager_v9.c */
		for (done = 0; done < size; done += PAGE_SIZE)
			mock_mem_write(&hw->md->gart, s->mqd + PAGE_SIZE + done,
				       hw->buf, min_t(u32, PAGE_SIZE, size - done));
	}
}

/**
 * mock_check_map - a queue comes onto an XCC
 * @hw: the GPU
 * @h: the HQD, its registers loaded, nothing restored yet
 */
void mock_check_map(struct mock_hw *hw, struct mock_hqd *h)
{
	struct mock_queue *q = h->q;
	struct mock_shadow *s;
	bool changed = false;
	u32 i, val;

	check_share(hw, h);
	if (!mock_hqd_has_cwsr(h))
		return;
	s = shadow_find(hw, HQD_REG64(h, cp_mqd_base_addr));
	if (s && s->saved) {
		for (i = 0; i < ARRAY_SIZE(fields); i++) {
			val = h->reg[fields[i].dw];
			if (val == s->field[i])
				continue;
			changed = true;
			mock_violation(hw->md,
				       "pasid %u doorbell %x xcc %u: %s was %x when unmapped, is %x when mapped",
				       q->pasid, q->doorbell, h->xcc,
				       fields[i].name, s->field[i], val);
		}
		if (s->xcc != h->xcc)
			mock_violation(hw->md,
				       "pasid %u doorbell %x: MQD of xcc %u is mapped on xcc %u",
				       q->pasid, q->doorbell, s->xcc, h->xcc);
	}
	if (!s || changed)
		check_overlap(hw, h);
}

/**
 * mock_check_restored - waves were read back
 * @hw: the GPU
 * @h: the HQD
 * @groups: workgroups found
 * @sum: of what was read
 */
void mock_check_restored(struct mock_hw *hw, struct mock_hqd *h, u32 groups,
			 u64 sum)
{
	struct mock_queue *q = h->q;
	struct mock_shadow *s;
	u32 known = 0;

	if (!mock_hqd_has_cwsr(h))
		return;
	s = shadow_get(hw, h);
	if (s && s->saved) {
		known = s->groups;
		if (groups != known)
			mock_violation(hw->md,
				       "pasid %u doorbell %x xcc %u: %u workgroups were saved, %u are restored",
				       q->pasid, q->doorbell, h->xcc, known, groups);
		else if (sum != s->sum)
			mock_violation(hw->md,
				       "pasid %u doorbell %x xcc %u: saved waves changed, sum %llx, was %llx",
				       q->pasid, q->doorbell, h->xcc, sum, s->sum);
		s->saved = false;
		s->groups = 0;
	}
	hw->saved_wg -= known;
	/* found but never saved: another device's, or the violation above */
	hw->stats.wg_launched += groups;
	hw->stats.wg_launched -= known;
}

/**
 * mock_check_saved - a queue left an XCC
 * @hw: the GPU
 * @h: the HQD, as written to the MQD
 * @groups: saved workgroups
 * @sum: of what was written
 */
void mock_check_saved(struct mock_hw *hw, struct mock_hqd *h, u32 groups, u64 sum)
{
	struct mock_shadow *s;
	u32 i;

	if (!mock_hqd_has_cwsr(h))
		return;
	s = shadow_get(hw, h);
	if (!s) {
		/* cannot be followed any further */
		hw->stats.wg_killed += groups;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		s->field[i] = h->reg[fields[i].dw];
	s->groups = groups;
	s->sum = sum;
	s->saved = true;
	hw->saved_wg += groups;
}

/* Saved waves end with the MQD. */
void mock_check_gart_gone(struct mock_hw *hw, u64 va, size_t len)
{
	struct mock_shadow *s;
	struct hlist_node *tmp;
	u32 i;

	hash_for_each_safe(hw->shadow, i, tmp, s, node) {
		if (s->mqd < va || s->mqd - va >= len)
			continue;
		hw->stats.wg_killed += s->groups;
		hw->saved_wg -= s->groups;
		hash_del(&s->node);
		kfree(s);
	}
}

/**
 * mock_in_flight - workgroups in wave slots, or on their way out of or into them
 * @hw: the GPU
 *
 * Return: how many
 */
u64 mock_in_flight(struct mock_hw *hw)
{
	struct mock_batch *b;
	struct mock_hqd *h;
	u64 n = 0;
	u32 x, i;

	for (x = 0; x < hw->md->num_xcc; x++) {
		for (i = 0; i < MOCK_HQDS; i++) {
			h = &hw->xcc[x].hqd[i];
			list_for_each_entry(b, &h->running, node)
				n += b->count;
			list_for_each_entry(b, &h->frozen, node)
				n += b->count;
			list_for_each_entry(b, &h->waiting, node)
				n += b->count;
		}
	}
	return n;
}

/**
 * mock_check_counts - no workgroup is lost, none runs twice
 * @hw: the GPU
 * @when: for the message
 */
void mock_check_counts(struct mock_hw *hw, const char *when)
{
	struct mock_stats *s = &hw->stats;
	u64 flight = mock_in_flight(hw);
	struct mock_queue *q;
	struct mock_batch *b;
	u32 x, waves, used;

	if (s->wg_launched != flight + hw->saved_wg + s->wg_ended + s->wg_killed)
		mock_violation(hw->md,
			       "%s: launched %llu, but in flight %llu, saved %llu, ended %llu, killed %llu",
			       when, s->wg_launched, flight, hw->saved_wg,
			       s->wg_ended, s->wg_killed);
	for (x = 0; x < hw->md->num_xcc; x++) {
		used = 0;
		list_for_each_entry(q, &hw->xcc[x].part->mapped, node) {
			waves = 0;
			list_for_each_entry(b, &q->hqd[x]->running, node)
				waves += b->count * b->d->waves;
			list_for_each_entry(b, &q->hqd[x]->frozen, node)
				waves += b->count * b->d->waves;
			used += waves;
			if (waves != q->hqd[x]->waves)
				mock_violation(hw->md,
					       "%s: doorbell %x xcc %u counts %u waves, has %u",
					       when, q->doorbell, x,
					       q->hqd[x]->waves, waves);
		}
		if (used != hw->xcc[x].used || used > hw->xcc[x].slots)
			mock_violation(hw->md, "%s: xcc %u uses %u of %u wave slots, counts %u",
				       when, x, used, hw->xcc[x].slots,
				       hw->xcc[x].used);
	}
}

void mock_check_fini(struct mock_hw *hw)
{
	mock_check_gart_gone(hw, 0, SIZE_MAX);
}
