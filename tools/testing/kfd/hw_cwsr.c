// SPDX-License-Identifier: GPL-2.0
/*
 * The hardware side of the mock GPU: queues come onto an XCC and leave it,
 * waves are saved and restored (CWSR).
 *
 * Where things lie: struct v9_mqd; the control stack begins a page after the
 * MQD and is filled from cp_hqd_cntl_stack_size down to cp_hqd_cntl_stack_offset;
 * the wave state lies in the save area of the XCC, from cp_hqd_cntl_stack_size up
 * to cp_hqd_wg_state_offset (kfd_mqd_manager_v9.c, get_wave_state()).
 */

#include <linux/hash.h>
#include "hw.h"
#include "gc/gc_9_4_3_sh_mask.h"

/* A saved workgroup, in the wave state. Our layout: see hw.c. */
struct mock_record {
	u32 magic;
	u32 group;
	u32 groups;		/* 0: a dispatch that only waits for its end */
	u32 waves;
	u64 dispatch;
	u64 start;
	u64 remains;
	u32 released;
	u32 reserved[5];
	u8 packet[AQL_PACKET_SIZE];
};

static_assert(sizeof(struct mock_record) == 128);

#define RECORD_MAGIC	0x57415645	/* "WAVE" */
#define RECORDS		(PAGE_SIZE / sizeof(struct mock_record))

/* A wave on the control stack */
struct mock_entry {
	u32 wave;		/* ENTRY_VALID and number in the workgroup */
	u32 group;
};

#define ENTRY_VALID	0x80000000
#define ENTRIES		(PAGE_SIZE / sizeof(struct mock_entry))

#define PACKET_DWORDS	(AQL_PACKET_SIZE / 4)

/*
 * The control stack in the save area begins with struct
 * kfd_context_save_area_header; the stack may not grow into it.
 */
#define STACK_RESERVED	40

/* Of what is saved, in order; a real hash would cost more than all else */
static u64 sum_up(const void *data, size_t len, u64 sum)
{
	const u64 *p = data, *end = data + len;

	for (; p < end; p++)
		sum = rol64(sum ^ *p, 29) * GOLDEN_RATIO_64;
	return sum;
}

/* User data registers hold the AQL packet of the dispatch being launched. */
static u32 *user_data(struct mock_hqd *h)
{
	return &HQD_REG(h, compute_user_data_0);
}

bool mock_hqd_has_cwsr(struct mock_hqd *h)
{
	return HQD_REG(h, cp_hqd_persistent_state) &
		CP_HQD_PERSISTENT_STATE__QSWITCH_MODE_MASK &&
		HQD_REG64(h, cp_hqd_ctx_save_base_addr);
}

static bool is_aql(struct mock_hqd *h)
{
	return HQD_REG(h, cp_hqd_aql_control);
}

/* Bring the registers up to date. */
void mock_hqd_refresh(struct mock_hqd *h)
{
	struct mock_queue *q = h->q;

	if (h->state == HQD_OFF || !is_aql(h))
		return;
	/* AQL pointers count packets, the registers dwords, and do not wrap */
	HQD_REG(h, cp_hqd_pq_rptr) = lower_32_bits(q->rptr * PACKET_DWORDS);
	HQD_REG(h, cp_hqd_pq_wptr_lo) = lower_32_bits(q->wptr * PACKET_DWORDS);
	HQD_REG(h, cp_hqd_pq_wptr_hi) = upper_32_bits(q->wptr * PACKET_DWORDS);
	h->reg[MQD_DISPATCH_ID] = lower_32_bits(q->rptr);
	h->reg[MQD_DISPATCH_ID + 1] = upper_32_bits(q->rptr);
}

/* Write back some registers, dword of the first and of the last one. */
static int mqd_write(struct mock_hw *hw, struct mock_hqd *h, u32 first, u32 last)
{
	u64 mqd = HQD_REG64(h, cp_mqd_base_addr);

	if (!mock_mem_write(&hw->md->gart, mqd + first * 4, &h->reg[first],
			    (last - first + 1) * 4))
		return 0;
	mock_violation(hw->md, "doorbell %x xcc %u: no MQD at %llx",
		       h->q->doorbell, h->xcc, mqd);
	return -EFAULT;
}

/* Loading */

/*
 * The read pointer in the MQD has 32 bits; the dispatch id tells the rest,
 * unless the driver has touched one of them: then it is the last such position
 * before the write pointer in the MQD.
 */
static u64 packet_pointer(struct mock_hqd *h)
{
	u64 id = mock_u64(h->reg[MQD_DISPATCH_ID], h->reg[MQD_DISPATCH_ID + 1]);
	u32 rptr = HQD_REG(h, cp_hqd_pq_rptr);
	u64 wptr = HQD_REG64(h, cp_hqd_pq_wptr);
	u64 p;

	if (lower_32_bits(id * PACKET_DWORDS) == rptr)
		return id;
	p = (wptr & ~(u64)U32_MAX) + rptr;
	if (p > wptr && p > U32_MAX)
		p -= BIT_ULL(32);
	return p / PACKET_DWORDS;
}

/* The queue's first XCC tells what holds for all of them. */
static bool queue_begin(struct mock_hw *hw, struct mock_hqd *h)
{
	struct mock_queue *q = h->q;
	u32 size = 2U << (HQD_REG(h, cp_hqd_pq_control) &
			  CP_HQD_PQ_CONTROL__QUEUE_SIZE_MASK);
	bool ok = true;

	q->vmid = HQD_REG(h, cp_hqd_vmid) % MOCK_VMIDS;
	q->pasid = q->part->vmid[q->vmid].pasid;
	q->vm = mock_vm_find(hw->md, q->part->vmid[q->vmid].pd_base);
	q->packets = max_t(u32, size / PACKET_DWORDS, 1);
	q->rptr = packet_pointer(h);
	q->wptr = q->rptr;
	q->doorbell = (HQD_REG(h, cp_hqd_pq_doorbell_control) &
		       CP_HQD_PQ_DOORBELL_CONTROL__DOORBELL_OFFSET_MASK) >>
		CP_HQD_PQ_DOORBELL_CONTROL__DOORBELL_OFFSET__SHIFT;
	q->error = false;
	q->stalled = false;
	q->going = false;
	q->cur = NULL;
	list_add_tail(&q->node, &q->part->mapped);
	if (!q->vm) {
		mock_violation(hw->md,
			       "doorbell %x: vmid %u with page directory %llx is no address space",
			       q->doorbell, q->vmid, q->part->vmid[q->vmid].pd_base);
		ok = false;
	} else if (!is_aql(h)) {
		/* PM4 queues are not modelled */
		ok = false;
	}
	q->error = !ok;
	return ok;
}

static void hqd_ready(struct mock_hw *hw, struct mock_event *ev)
{
	struct mock_hqd *h = container_of(ev, struct mock_hqd, ev);

	hw->dirty |= 1 << h->xcc;
}

static void restore_launch(struct mock_hw *hw, struct mock_hqd *h)
{
	struct mock_queue *q = h->q;
	struct mock_dispatch *d;
	u32 group, index;

	if (!HQD_REG(h, compute_relaunch))
		return;
	d = mock_dispatch_get(hw, q, q->rptr - 1, user_data(h),
			      mock_u64(HQD_REG(h, cp_mqd_connect_start_time_lo),
				       HQD_REG(h, cp_mqd_connect_start_time_hi)));
	if (!d) {
		mock_violation(hw->md,
			       "pasid %u doorbell %x xcc %u: the dispatch to be continued cannot be read",
			       q->pasid, q->doorbell, h->xcc);
		return;
	}
	group = (HQD_REG(h, compute_restart_z) * d->groups[1] +
		 HQD_REG(h, compute_restart_y)) * d->groups[0] +
		HQD_REG(h, compute_restart_x);
	if (!mock_group_to_share(h, group, &index))
		mock_violation(hw->md,
			       "pasid %u doorbell %x xcc %u: restart at workgroup %u, of another XCC",
			       q->pasid, q->doorbell, h->xcc, group);
	q->cur = d;
	h->next = index;
	h->share = mock_share(h, d->total);
	if (h->next < h->share)
		d->left[h->xcc] += h->share - h->next;
}

static struct mock_batch *restore_one(struct mock_hw *hw, struct mock_hqd *h,
				      struct mock_record *r, struct mock_batch *last)
{
	struct mock_queue *q = h->q;
	struct mock_dispatch *d;
	struct mock_batch *b;
	u32 index;

	d = mock_dispatch_get(hw, q, r->dispatch, r->packet, r->start);
	if (!d)
		return NULL;
	/* the flag was seen: do not wait for it again */
	if (r->released)
		mock_dispatch_release(hw, d);
	if (!r->groups)
		return last;
	mock_group_to_share(h, r->group, &index);
	d->left[h->xcc]++;
	if (last && last->d == d && last->first + last->count == index &&
	    last->remains == r->remains) {
		last->count++;
		return last;
	}
	b = mock_batch_new(h, d, index, 1, r->remains);
	if (!b)
		return NULL;
	list_add_tail(&b->node, &h->waiting);
	return b;
}

/* Read control stack and wave state. Returns waves. */
static u32 restore_waves(struct mock_hw *hw, struct mock_hqd *h)
{
	u64 stack = HQD_REG64(h, cp_mqd_base_addr) + PAGE_SIZE;
	u64 area = HQD_REG64(h, cp_hqd_ctx_save_base_addr);
	u32 top = HQD_REG(h, cp_hqd_cntl_stack_size);
	u32 low = HQD_REG(h, cp_hqd_cntl_stack_offset);
	u32 pos = top, end = HQD_REG(h, cp_hqd_wg_state_offset);
	u32 groups = 0, waves = 0, n, i, w;
	struct mock_record *r = (void *)hw->buf;
	struct mock_queue *q = h->q;
	struct mock_batch *last = NULL;
	struct mock_entry e;
	const char *bad = NULL;
	u64 sum = 0;

	while (pos < end && !bad) {
		n = min_t(u32, RECORDS, (end - pos) / sizeof(*r));
		if (!n) {
			bad = "the wave state has no whole record";
			break;
		}
		if (mock_mem_read(q->vm, area + pos, r, n * sizeof(*r))) {
			mock_vm_fault(hw, q, area + pos, false, "saved waves");
			break;
		}
		sum = sum_up(r, n * sizeof(*r), sum);
		for (i = 0; i < n && !bad; i++) {
			if (r[i].magic != RECORD_MAGIC || r[i].groups > 1) {
				bad = "the wave state is not what was saved";
				break;
			}
			for (w = 0; w < max(r[i].waves, 1U) && !bad; w++) {
				top -= sizeof(e);
				if (top < low || top > HQD_REG(h, cp_hqd_cntl_stack_size)) {
					bad = "the control stack holds too few waves";
				} else if (mock_mem_read(&hw->md->gart, stack + top,
							 &e, sizeof(e))) {
					bad = "the control stack cannot be read";
				} else if (e.wave != (ENTRY_VALID | w) ||
					   e.group != r[i].group) {
					bad = "the control stack is not what was saved";
				}
				sum = sum_up(&e, sizeof(e), sum);
			}
			if (bad)
				break;
			last = restore_one(hw, h, &r[i], last);
			if (!last && r[i].groups)
				bad = "a dispatch cannot be restored";
			else
				groups += r[i].groups;
			waves += r[i].waves;
		}
		pos += n * sizeof(*r);
	}
	if (!bad && top != low)
		bad = "the control stack holds too many waves";
	if (bad)
		mock_violation(hw->md,
			       "pasid %u doorbell %x xcc %u: %s (stack %x to %x, waves up to %x)",
			       q->pasid, q->doorbell, h->xcc, bad,
			       HQD_REG(h, cp_hqd_cntl_stack_offset),
			       HQD_REG(h, cp_hqd_cntl_stack_size), end);
	mock_check_restored(hw, h, groups, sum);
	if (waves) {
		hw->stats.restores++;
		hw->stats.restored_waves += waves;
	}
	return waves;
}

/**
 * mock_hqd_load - a queue becomes active on an XCC
 * @hw: the GPU
 * @h: the HQD; its registers are loaded
 *
 * Return: false if it cannot run
 */
bool mock_hqd_load(struct mock_hw *hw, struct mock_hqd *h)
{
	struct mock_queue *q = h->q;
	struct mock_dispatch *d;
	bool ok = true;
	u32 waves = 0;

	h->state = HQD_ON;
	h->request = 0;
	h->next = 0;
	h->share = 0;
	h->waves = 0;
	HQD_REG(h, cp_hqd_active) = 1;
	HQD_REG(h, cp_hqd_dequeue_request) = 0;
	if (!q->on)
		ok = queue_begin(hw, h);
	else if (q->error)
		ok = false;
	else if (packet_pointer(h) != q->rptr)
		mock_violation(hw->md,
			       "pasid %u doorbell %x: xcc %u is at packet %llu, the others at %llu",
			       q->pasid, q->doorbell, h->xcc,
			       packet_pointer(h), q->rptr);
	q->on |= 1 << h->xcc;
	q->seen |= 1 << h->xcc;
	/* in the dumps of a running queue the MQD says active */
	mqd_write(hw, h, MQD_DW(cp_hqd_active), MQD_DW(cp_hqd_active));
	if (!ok)
		return false;

	mock_check_map(hw, h);
	/* what this XCC has of a dispatch is what memory says */
	list_for_each_entry(d, &q->dispatches, node)
		d->left[h->xcc] = 0;
	if (mock_hqd_has_cwsr(h))
		waves = restore_waves(hw, h);
	restore_launch(hw, h);
	h->ready = hw->now + (u64)waves * mock_restore_ns_wave;
	mock_event_arm(hw, &h->ev, h->ready, hqd_ready);
	mock_queue_up(hw, q, h->xcc);
	return true;
}

/* Unloading */

struct saver {
	struct mock_hw *hw;
	struct mock_hqd *h;
	u32 n;			/* records gathered */
	u32 entries;		/* of the control stack, gathered */
	u32 pos;		/* where they go */
	u32 top;		/* of the control stack */
	u64 sum;
	u32 groups;
	u32 waves;
	bool failed;
};

/* The stack grows down, and so do the entries in the second page of the buffer */
static struct mock_entry *stack_buf(struct saver *s)
{
	return (struct mock_entry *)(s->hw->buf + PAGE_SIZE) + ENTRIES - s->entries;
}

static void stack_bad(struct saver *s, const char *what)
{
	struct mock_queue *q = s->h->q;

	mock_violation(s->hw->md, "pasid %u doorbell %x xcc %u: %s", q->pasid,
		       q->doorbell, s->h->xcc, what);
	s->failed = true;
}

static void stack_flush(struct saver *s)
{
	u64 stack = HQD_REG64(s->h, cp_mqd_base_addr) + PAGE_SIZE;
	u32 len = s->entries * sizeof(struct mock_entry);

	if (!s->failed && len &&
	    mock_mem_write(&s->hw->md->gart, stack + s->top, stack_buf(s), len))
		stack_bad(s, "no control stack");
	s->hw->stats.saved_bytes += len;
	s->entries = 0;
}

static void save_wave(struct saver *s, u32 wave, u32 group)
{
	struct mock_entry *e;

	if (s->entries == ENTRIES)
		stack_flush(s);
	if (s->failed)
		return;
	if (s->top < STACK_RESERVED + sizeof(*e)) {
		stack_bad(s, "control stack overflows");
		return;
	}
	s->top -= sizeof(*e);
	s->entries++;
	e = stack_buf(s);
	e->wave = ENTRY_VALID | wave;
	e->group = group;
	s->sum = sum_up(e, sizeof(*e), s->sum);
}

static void save_flush(struct saver *s)
{
	u64 area = HQD_REG64(s->h, cp_hqd_ctx_save_base_addr);
	struct mock_record *r = (void *)s->hw->buf;
	u32 i, w, len = s->n * sizeof(*r);
	struct mock_queue *q = s->h->q;

	if (!s->n)
		return;
	if (s->pos + len > HQD_REG(s->h, cp_hqd_ctx_save_size)) {
		mock_violation(s->hw->md,
			       "pasid %u doorbell %x xcc %u: save area overflows at %x",
			       q->pasid, q->doorbell, s->h->xcc, s->pos + len);
		s->failed = true;
		return;
	}
	if (mock_mem_write(q->vm, area + s->pos, r, len)) {
		mock_vm_fault(s->hw, q, area + s->pos, true, "saved waves");
		s->failed = true;
		return;
	}
	s->hw->stats.saved_bytes += len;
	s->pos += len;
	s->sum = sum_up(r, len, s->sum);
	for (i = 0; i < s->n && !s->failed; i++)
		for (w = 0; w < max(r[i].waves, 1U); w++)
			save_wave(s, w, r[i].group);
	stack_flush(s);
	s->n = 0;
}

static void save_record(struct saver *s, struct mock_dispatch *d, u32 group,
			u32 groups, u64 remains)
{
	struct mock_record *r = (struct mock_record *)s->hw->buf + s->n;

	memset(r, 0, sizeof(*r));
	r->magic = RECORD_MAGIC;
	r->group = group;
	r->groups = groups;
	r->waves = groups ? d->waves : 0;
	r->dispatch = d->id;
	r->start = d->start;
	r->remains = remains;
	r->released = d->released;
	memcpy(r->packet, d->packet, AQL_PACKET_SIZE);
	s->groups += groups;
	s->waves += r->waves;
	if (++s->n == RECORDS)
		save_flush(s);
}

static void save_list(struct saver *s, struct list_head *list)
{
	struct mock_batch *b;
	u32 i;

	list_for_each_entry(b, list, node)
		for (i = 0; i < b->count && !s->failed; i++)
			save_record(s, b->d, mock_share_to_group(s->h, b->first + i),
				    1, b->remains);
}

/*
 * A dispatch that has ended here, and of which other XCCs, not mapped, may have
 * more: only memory remembers it once the last XCC is off.
 */
static void save_ended(struct saver *s)
{
	struct mock_queue *q = s->h->q;
	struct mock_dispatch *d;

	if (q->on != 1 << s->h->xcc || q->seen == q->part->xccs)
		return;
	list_for_each_entry(d, &q->dispatches, node)
		if (mock_dispatch_ended(d) && d != q->cur)
			save_record(s, d, 0, 0, 0);
}

static void drop_list(struct mock_hw *hw, struct list_head *list)
{
	struct mock_batch *b, *tmp;

	list_for_each_entry_safe(b, tmp, list, node)
		mock_batch_free(hw, b);
}

static void save_waves(struct mock_hw *hw, struct mock_hqd *h, u32 *groups, u64 *sum)
{
	u32 size = HQD_REG(h, cp_hqd_cntl_stack_size);
	struct saver s = { .hw = hw, .h = h, .pos = size, .top = size };

	save_list(&s, &h->frozen);
	save_list(&s, &h->waiting);
	save_ended(&s);
	if (!s.failed)
		save_flush(&s);
	if (s.failed) {
		mock_kill(hw, h);
		s = (struct saver){ .pos = size, .top = size };
	}
	HQD_REG(h, cp_hqd_cntl_stack_offset) = s.top;
	HQD_REG(h, cp_hqd_wg_state_offset) = s.pos;
	*groups = s.groups;
	*sum = s.sum;
	if (s.waves) {
		hw->stats.saves++;
		hw->stats.saved_waves += s.waves;
	}
}

/* Where a dispatch that is not launched yet has to go on. */
static void save_launch(struct mock_hqd *h)
{
	struct mock_dispatch *d = h->q->cur;
	u32 group = 0, i;
	bool partial = d && h->next < h->share;

	HQD_REG(h, compute_relaunch) = partial;
	HQD_REG(h, compute_dispatch_initiator) = partial;
	if (d) {
		HQD_REG(h, compute_dispatch_id) = lower_32_bits(d->id);
		HQD_REG(h, compute_dim_x) = d->groups[0];
		HQD_REG(h, compute_dim_y) = d->groups[1];
		HQD_REG(h, compute_dim_z) = d->groups[2];
		for (i = 0; i < AQL_PACKET_SIZE / 4; i++)
			memcpy(&user_data(h)[i], d->packet + i * 4, 4);
		HQD_REG(h, cp_mqd_connect_start_time_lo) = lower_32_bits(d->start);
		HQD_REG(h, cp_mqd_connect_start_time_hi) = upper_32_bits(d->start);
	}
	if (partial)
		group = mock_share_to_group(h, h->next);
	HQD_REG(h, compute_restart_x) = d ? group % d->groups[0] : 0;
	HQD_REG(h, compute_restart_y) = d ? group / d->groups[0] % d->groups[1] : 0;
	HQD_REG(h, compute_restart_z) = d ? group / d->groups[0] / d->groups[1] : 0;
	HQD_REG(h, compute_restart_cg_tg_id) = partial ? h->next : 0;
}

static void hqd_forget(struct mock_hw *hw, struct mock_hqd *h)
{
	drop_list(hw, &h->frozen);
	drop_list(hw, &h->waiting);
	hw->xcc[h->xcc].used -= h->waves;
	hw->dirty |= 1 << h->xcc;
	hw->active = hw->now;
	h->waves = 0;
	h->state = HQD_OFF;
	memset(h->reg, 0, sizeof(h->reg));
	mock_queue_down(hw, h->q, h->xcc);
	mock_fw_hqd_off(h->q->part);
}

/* The queue leaves the XCC: write the MQD, then forget. */
static void hqd_off(struct mock_hw *hw, struct mock_hqd *h)
{
	struct mock_queue *q = h->q;
	u32 groups = 0;
	u64 sum = 0;

	mock_event_cancel(hw, &h->ev);
	mock_hqd_refresh(h);
	if (h->state == HQD_RESETTING)
		h->next = h->share;
	if (q->vm && mock_hqd_has_cwsr(h))
		save_waves(hw, h, &groups, &sum);
	HQD_REG(h, cp_hqd_active) = 0;
	HQD_REG(h, cp_hqd_dequeue_request) = 0;
	if (!q->vm || !is_aql(h)) {
		mqd_write(hw, h, MQD_DW(cp_hqd_active), MQD_DW(cp_hqd_active));
		hqd_forget(hw, h);
		return;
	}
	save_launch(h);
	/* nothing else between these is the driver's to change while mapped */
	if (!mqd_write(hw, h, MQD_DW(compute_dispatch_initiator),
		       MQD_DW(cp_mqd_connect_start_time_hi)) &&
	    !mqd_write(hw, h, MQD_DW(cp_hqd_active), MQD_DW(cp_hqd_active)) &&
	    !mqd_write(hw, h, MQD_DW(cp_hqd_pq_rptr), MQD_DW(cp_hqd_pq_rptr)) &&
	    !mqd_write(hw, h, MQD_DW(cp_hqd_cntl_stack_offset),
		       MQD_DW(cp_hqd_wg_state_offset)) &&
	    !mqd_write(hw, h, MQD_DW(cp_hqd_pq_wptr_lo), MQD_DISPATCH_ID + 1))
		mock_check_saved(hw, h, groups, sum);
	else
		hw->stats.wg_killed += groups;

	hqd_forget(hw, h);
}

static void hqd_gone(struct mock_hw *hw, struct mock_event *ev)
{
	hqd_off(hw, container_of(ev, struct mock_hqd, ev));
}

/**
 * mock_hqd_save_ns - how long a save will take
 * @h: the HQD
 *
 * Return: nanoseconds of the model
 */
u64 mock_hqd_save_ns(struct mock_hqd *h)
{
	return mock_save_ns_base + (u64)h->waves * mock_save_ns_wave +
		(u64)mock_preempt_us * NSEC_PER_USEC;
}

static bool is_deaf(struct mock_hqd *h)
{
	return mock_ignore_preempt == U32_MAX ||
		(mock_ignore_preempt && mock_ignore_preempt == h->q->doorbell);
}

/**
 * mock_hqd_dequeue - CP_HQD_DEQUEUE_REQUEST, or firmware wants the queue off
 * @hw: the GPU
 * @h: the HQD
 * @type: DEQUEUE_*
 * @from: when the XCC begins with it
 */
void mock_hqd_dequeue(struct mock_hw *hw, struct mock_hqd *h, u32 type, u64 from)
{
	u64 end;

	/* a queue that drains can still be saved or reset */
	if (!type || (h->state != HQD_ON &&
		      (h->state != HQD_DRAINING || type == h->request)))
		return;
	if (is_deaf(h)) {
		hw->stats.preempts_ignored++;
		return;
	}
	h->request = type;
	end = max(from, hw->now) + mock_hqd_save_ns(h);
	if (type == DEQUEUE_RESET) {
		mock_kill(hw, h);
		h->state = HQD_RESETTING;
	} else if (type == DEQUEUE_SAVE && mock_hqd_has_cwsr(h)) {
		mock_freeze(hw, h);
		h->state = HQD_SAVING;
	} else {
		h->state = HQD_DRAINING;
		mock_hqd_drained(hw, h);
		return;
	}
	mock_event_arm(hw, &h->ev, end, hqd_gone);
}

/**
 * mock_hqd_drained - is a draining queue empty?
 * @hw: the GPU
 * @h: the HQD
 */
void mock_hqd_drained(struct mock_hw *hw, struct mock_hqd *h)
{
	if (!list_empty(&h->running))
		return;
	if (h->request == DEQUEUE_DRAIN &&
	    (!list_empty(&h->waiting) || (h->q->cur && h->next < h->share))) {
		hw->dirty |= 1 << h->xcc;
		return;
	}
	mock_event_arm(hw, &h->ev, hw->now + mock_hqd_save_ns(h), hqd_gone);
}

/**
 * mock_hqd_reset - SPI_COMPUTE_QUEUE_RESET: waves die, the queue goes
 * @hw: the GPU
 * @h: the HQD
 */
void mock_hqd_reset(struct mock_hw *hw, struct mock_hqd *h)
{
	hw->stats.queue_resets++;
	mock_kill(hw, h);
	h->state = HQD_RESETTING;
	mock_event_arm(hw, &h->ev, hw->now + mock_save_ns_base, hqd_gone);
}

/**
 * mock_hqd_drop - the queue is no more, and nothing of it is written
 * @hw: the GPU
 * @h: the HQD
 */
void mock_hqd_drop(struct mock_hw *hw, struct mock_hqd *h)
{
	mock_event_cancel(hw, &h->ev);
	mock_kill(hw, h);
	h->state = HQD_OFF;
	memset(h->reg, 0, sizeof(h->reg));
	mock_queue_down(hw, h->q, h->xcc);
	mock_fw_hqd_off(h->q->part);
}
