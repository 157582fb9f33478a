// SPDX-License-Identifier: GPL-2.0
/*
 * The hardware side of the mock GPU: AQL packets, workgroups, wave slots.
 *
 * Packet and signal layout: HSA Platform System Architecture Specification 1.2
 * (2.8, 2.9) and ROCR's amd_hsa_signal.h.
 */

#include <linux/slab.h>
#include <linux/string_choices.h>
#include "hw.h"
#include "amdgpu_ih.h"
#include "gc/gc_9_4_3_sh_mask.h"
#include "ivsrcid/gfx/irqsrcs_gfx_9_0.h"
#include "soc15_ih_clientid.h"
#include "gfx942_kernels.h"

enum {
	AQL_VENDOR,
	AQL_INVALID,
	AQL_KERNEL_DISPATCH,
	AQL_BARRIER_AND,
	AQL_AGENT_DISPATCH,
	AQL_BARRIER_OR,
};

#define AQL_BARRIER_BIT	BIT(8)
#define AQL_DEPS	5
/* amd_aql_pm4_ib: what ROCR sends to flush caches */
#define AQL_FORMAT_PM4_IB	1

struct aql_dispatch {
	__le16 header;
	__le16 setup;
	__le16 wg_size[3];
	__le16 reserved0;
	__le32 grid_size[3];
	__le32 private_size;
	__le32 group_size;
	__le64 kernel_object;
	__le64 kernarg;
	__le64 reserved2;
	__le64 completion;
};

struct aql_barrier {
	__le16 header;
	__le16 format;
	__le32 reserved1;
	__le64 dep[AQL_DEPS];
	__le64 reserved2;
	__le64 completion;
};

union aql_packet {
	__le16 header;
	struct aql_dispatch dispatch;
	struct aql_barrier barrier;
	u8 bytes[AQL_PACKET_SIZE];
};

static_assert(sizeof(union aql_packet) == AQL_PACKET_SIZE);

/* amd_signal_t */
#define SIGNAL_VALUE	8
#define SIGNAL_MAILBOX	16	/* then event_id */
#define SIGNAL_START	32	/* then end_ts */

/* Bytes that workgroups copy or fill before the thread looks at the time */
#define BLIT_STEP	SZ_256K

/* amd_kernel_code / kernel descriptor: kernel_code_entry_byte_offset */
#define KERNEL_ENTRY	16

static void queue_event(struct mock_hw *hw, struct mock_event *ev)
{
	mock_queue_advance(hw, container_of(ev, struct mock_queue, ev));
}

/**
 * mock_vm_fault - an access of a queue's process found no page
 * @hw: the GPU
 * @q: the queue
 * @va: address
 * @write: was it a write
 * @what: for the message
 */
void mock_vm_fault(struct mock_hw *hw, struct mock_queue *q, u64 va, bool write,
		   const char *what)
{
	hw->stats.vm_faults++;
	mock_violation(hw->md,
		       "pasid %u vmid %u doorbell %x: %s of %s at %llx, nothing is mapped there",
		       q->pasid, q->vmid, q->doorbell, str_write_read(write),
		       what, va);
}

/* Workgroups go round the XCCs in chunks (compute_tg_chunk_size). */
static u32 chunk_of(struct mock_hqd *h)
{
	return max(HQD_REG(h, compute_tg_chunk_size), 1U);
}

static u32 xccs_of(struct mock_hqd *h)
{
	return hweight8(h->q->part->xccs);
}

u32 mock_share(struct mock_hqd *h, u32 total)
{
	u32 chunk = chunk_of(h), round = chunk * xccs_of(h);
	u32 rest = total % round;
	u32 before = HQD_REG(h, compute_current_logic_xcc_id) * chunk;

	return total / round * chunk +
		(rest > before ? min(rest - before, chunk) : 0);
}

u32 mock_share_to_group(struct mock_hqd *h, u32 index)
{
	u32 chunk = chunk_of(h);

	return index / chunk * chunk * xccs_of(h) +
		HQD_REG(h, compute_current_logic_xcc_id) * chunk + index % chunk;
}

bool mock_group_to_share(struct mock_hqd *h, u32 group, u32 *index)
{
	u32 chunk = chunk_of(h), n = xccs_of(h);

	*index = group / (chunk * n) * chunk + group % chunk;
	return group / chunk % n == HQD_REG(h, compute_current_logic_xcc_id);
}

/* Batches */

struct mock_batch *mock_batch_new(struct mock_hqd *h, struct mock_dispatch *d,
				  u32 first, u32 count, u64 remains)
{
	struct mock_hw *hw = d->q->vm->md->hw;
	struct mock_batch *b;

	b = kmem_cache_zalloc(hw->batches, GFP_ATOMIC | __GFP_NOWARN);
	if (!b)
		return NULL;
	b->h = h;
	b->d = d;
	b->first = first;
	b->count = count;
	b->remains = remains;
	INIT_LIST_HEAD(&b->node);
	return b;
}

void mock_batch_free(struct mock_hw *hw, struct mock_batch *b)
{
	mock_event_cancel(hw, &b->ev);
	list_del(&b->node);
	kmem_cache_free(hw->batches, b);
}

static void slots_free(struct mock_hw *hw, struct mock_hqd *h, u32 waves)
{
	h->waves -= waves;
	hw->xcc[h->xcc].used -= waves;
	hw->dirty |= 1 << h->xcc;
}

static bool is_blit(const struct mock_dispatch *d)
{
	return d->kernel == MOCK_COPY || d->kernel == MOCK_FILL;
}

/* What a workgroup leaves in memory. */
static void group_effect(struct mock_hw *hw, struct mock_dispatch *d, u32 group)
{
	u64 va = d->counters + 4ULL * (group % d->groups[0]);
	int r = 0;

	if (is_blit(d)) {
		mock_blit_effect(hw, d, group);
		return;
	}
	if (!d->counters)
		return;
	switch (d->kernel) {
	case GFX942_COUNT:
	case GFX942_WAIT:
		r = mock_mem_add32(d->q->vm, va, 1, NULL);
		break;
	case GFX942_STORE:
		r = mock_mem_write(d->q->vm, va, &d->value, sizeof(d->value));
		break;
	}
	if (r)
		mock_vm_fault(hw, d->q, va, true, "a workgroup's result");
}

static void batch_end(struct mock_hw *hw, struct mock_event *ev)
{
	struct mock_batch *b = container_of(ev, struct mock_batch, ev);
	struct mock_dispatch *d = b->d;
	struct mock_hqd *h = b->h;
	u32 n = b->count, i;

	/* Much to copy is done in steps, between which others have their turn */
	if (is_blit(d))
		n = clamp_t(u64, div64_u64(BLIT_STEP, mock_blit_part(d)), 1, n);
	for (i = 0; i < n; i++)
		group_effect(hw, d, mock_share_to_group(h, b->first + i));
	hw->stats.wg_ended += n;
	d->left[h->xcc] -= n;
	slots_free(hw, h, n * d->waves);
	if (n < b->count) {
		b->first += n;
		b->count -= n;
		b->remains = 0;
		mock_event_arm(hw, ev, hw->now, batch_end);
		return;
	}
	mock_batch_free(hw, b);
	mock_dispatch_check(hw, d);
	if (h->state == HQD_DRAINING)
		mock_hqd_drained(hw, h);
}

static bool waits_for_flag(struct mock_dispatch *d)
{
	return d->kernel == GFX942_WAIT && !d->released;
}

/* The batch has its slots: it runs. */
static void batch_run(struct mock_hw *hw, struct mock_batch *b)
{
	struct mock_hqd *h = b->h;
	u32 waves = b->count * b->d->waves;

	h->waves += waves;
	hw->xcc[h->xcc].used += waves;
	list_move_tail(&b->node, &h->running);
	if (!waits_for_flag(b->d))
		mock_event_arm(hw, &b->ev, hw->now + b->remains, batch_end);
}

/**
 * mock_freeze - stop the waves of a queue on an XCC, to save them
 * @hw: the GPU
 * @h: the HQD
 *
 * They keep their slots until they are saved.
 */
void mock_freeze(struct mock_hw *hw, struct mock_hqd *h)
{
	struct mock_batch *b;

	list_for_each_entry(b, &h->running, node) {
		if (b->ev.armed)
			b->remains = b->ev.node.expires - hw->now;
		mock_event_cancel(hw, &b->ev);
	}
	list_splice_tail_init(&h->running, &h->frozen);
}

static u32 kill_list(struct mock_hw *hw, struct list_head *list)
{
	struct mock_batch *b, *tmp;
	u32 n = 0;

	list_for_each_entry_safe(b, tmp, list, node) {
		n += b->count;
		mock_batch_free(hw, b);
	}
	return n;
}

/**
 * mock_kill - the waves of a queue on an XCC are no more
 * @hw: the GPU
 * @h: the HQD
 *
 * Return: workgroups killed
 */
u32 mock_kill(struct mock_hw *hw, struct mock_hqd *h)
{
	u32 n = kill_list(hw, &h->running) + kill_list(hw, &h->frozen) +
		kill_list(hw, &h->waiting);

	slots_free(hw, h, h->waves);
	hw->stats.wg_killed += n;
	return n;
}

/* Dispatches */

static void irq(struct mock_hw *hw, struct mock_queue *q, u32 context)
{
	u32 x = mock_master(q->part);
	/* struct amdgpu_iv_entry, soc15_int.h; node: kfd_setup_interrupt_bitmap() */
	u32 entry[8] = {
		SOC15_IH_CLIENTID_GRBM_CP | GFX_9_0__SRCID__CP_EOP_INTERRUPT << 8 |
		(q->queue << 4 | 1 << 2 | q->pipe) << 16 | (u32)q->vmid << 24,
		(u32)mock_hw_clock(hw->md), 0, q->pasid | (x / 2 * 4 + x % 2 + 1) << 16, context,
	};

	hw->stats.interrupts++;
	mock_irq(hw->md, entry);
}

static void signal_complete(struct mock_hw *hw, struct mock_queue *q, u64 sig,
			    u64 start)
{
	u64 ts[2] = { div_u64(start, 10), div_u64(hw->now, 10) };
	struct {
		u64 mailbox;
		u32 event;
		u32 pad;
	} ev;

	if (!sig)
		return;
	if (mock_mem_write(q->vm, sig + SIGNAL_START, ts, sizeof(ts)) ||
	    mock_mem_read(q->vm, sig + SIGNAL_MAILBOX, &ev, sizeof(ev)) ||
	    mock_mem_add64(q->vm, sig + SIGNAL_VALUE, -1ULL, NULL)) {
		mock_vm_fault(hw, q, sig, true, "a completion signal");
		return;
	}
	if (ev.mailbox) {
		u64 id = ev.event;

		if (mock_mem_write(q->vm, ev.mailbox, &id, sizeof(id)))
			mock_vm_fault(hw, q, ev.mailbox, true, "an event mailbox");
		else
			irq(hw, q, ev.event);
	}
}

/* Memory changed: what waited for that may go on. */
static void wake_stalled(struct mock_hw *hw)
{
	struct mock_part *part;
	struct mock_queue *q;

	list_for_each_entry(part, &hw->parts, node)
		list_for_each_entry(q, &part->mapped, node)
			if (q->stalled && !q->ev.armed)
				mock_event_arm(hw, &q->ev, hw->now, queue_event);
}

/**
 * mock_dispatch_drop - forget a dispatch
 * @hw: the GPU
 * @d: the dispatch; no batch refers to it
 */
void mock_dispatch_drop(struct mock_hw *hw, struct mock_dispatch *d)
{
	if (waits_for_flag(d))
		hw->flags_waited--;
	if (d->q->cur == d)
		d->q->cur = NULL;
	list_del(&d->node);
	kmem_cache_free(hw->dispatches, d);
}

/**
 * mock_dispatch_release - the flag that it waited for was seen set
 * @hw: the GPU
 * @d: the dispatch
 */
void mock_dispatch_release(struct mock_hw *hw, struct mock_dispatch *d)
{
	if (waits_for_flag(d))
		hw->flags_waited--;
	d->released = true;
}

/* Every XCC has launched its share: the next packet's turn. */
static void check_launched(struct mock_hw *hw, struct mock_queue *q)
{
	u32 x;

	if (!q->cur || q->seen != q->part->xccs)
		return;
	for_each_inst(x, q->part->xccs)
		if (q->hqd[x]->next < q->hqd[x]->share)
			return;
	q->cur = NULL;
	if (!q->ev.armed)
		mock_event_arm(hw, &q->ev, hw->now, queue_event);
}

/**
 * mock_dispatch_ended - does no XCC have anything left of it, that is known?
 * @d: the dispatch
 *
 * Return: true if so
 */
bool mock_dispatch_ended(const struct mock_dispatch *d)
{
	return !memchr_inv(d->left, 0, sizeof(d->left));
}

/**
 * mock_dispatch_check - has it ended on all XCCs?
 * @hw: the GPU
 * @d: the dispatch; may be freed
 */
void mock_dispatch_check(struct mock_hw *hw, struct mock_dispatch *d)
{
	struct aql_dispatch *p = (struct aql_dispatch *)d->packet;
	struct mock_queue *q = d->q;

	/* an XCC that is not there yet may bring more of it from memory */
	if (q->seen != q->part->xccs || !mock_dispatch_ended(d))
		return;
	check_launched(hw, q);
	signal_complete(hw, q, le64_to_cpu(p->completion), d->start);
	mock_dispatch_drop(hw, d);
	/* a barrier bit may have waited for this */
	if (!q->ev.armed)
		mock_event_arm(hw, &q->ev, hw->now, queue_event);
	wake_stalled(hw);
}

static void know_kernel(struct mock_hw *hw, struct mock_dispatch *d)
{
	struct aql_dispatch *p = (struct aql_dispatch *)d->packet;
	u64 object = le64_to_cpu(p->kernel_object);
	struct mock_vm *vm = d->q->vm;
	struct gfx942_kernarg arg;
	u32 code[128];
	size_t len;
	u64 entry;
	u32 i;

	d->kernel = GFX942_KERNELS;
	d->duration = mock_default_ns;
	if (mock_mem_read(vm, object + KERNEL_ENTRY, &entry, sizeof(entry))) {
		mock_vm_fault(hw, d->q, object, false, "a kernel descriptor");
		return;
	}
	for (i = 0; i < GFX942_KERNELS; i++) {
		len = gfx942_kernels[i].code_size;
		if (WARN_ON_ONCE(len > sizeof(code)))
			continue;
		if (!mock_mem_read(vm, object + entry, code, len) &&
		    !memcmp(code, (u8 *)gfx942_kernels[i].object + GFX942_KERNEL_ENTRY,
			    len))
			break;
	}
	if (i == GFX942_KERNELS) {
		mock_blit_know(hw, d, object + entry, le64_to_cpu(p->kernarg));
		return;
	}
	if (mock_mem_read(vm, le64_to_cpu(p->kernarg), &arg, sizeof(arg))) {
		mock_vm_fault(hw, d->q, le64_to_cpu(p->kernarg), false, "kernel arguments");
		return;
	}
	d->kernel = i;
	d->counters = arg.counters;
	d->flag = arg.flag;
	d->value = arg.value;
	d->duration = i == GFX942_STORE ? 0 : (u64)arg.loops * GFX942_LOOP_NS;
	if (i == GFX942_WAIT)
		hw->flags_waited++;
}

/**
 * mock_dispatch_get - the dispatch of this id in a queue
 * @hw: the GPU
 * @q: the queue
 * @id: packet index
 * @packet: its AQL packet, if it is not known yet
 * @start: when it started
 *
 * Return: the dispatch, or NULL without memory or if the packet is no good
 */
struct mock_dispatch *mock_dispatch_get(struct mock_hw *hw, struct mock_queue *q,
					u64 id, const void *packet, u64 start)
{
	const struct aql_dispatch *p = packet;
	u64 total = 1, size = 1;
	struct mock_dispatch *d;
	struct list_head *after;
	u32 i, wg, grid;

	list_for_each_entry_reverse(d, &q->dispatches, node) {
		if (d->id == id)
			return d;
		if (d->id < id)
			break;
	}
	for (i = 0; i < 3; i++) {
		wg = le16_to_cpu(p->wg_size[i]);
		grid = le32_to_cpu(p->grid_size[i]);
		if (!wg || !grid)
			return NULL;
		total *= DIV_ROUND_UP(grid, wg);
		size *= wg;
		if (total > U32_MAX || size > 1024)
			return NULL;
	}
	size = DIV_ROUND_UP(size, 64);
	if (size > hw->xcc[0].slots)
		return NULL;

	/* d is now the one to come after, or stands for the head */
	after = &d->node;
	d = kmem_cache_zalloc(hw->dispatches, GFP_ATOMIC | __GFP_NOWARN);
	if (!d)
		return NULL;
	list_add(&d->node, after);
	d->q = q;
	d->id = id;
	d->start = start;
	memcpy(d->packet, packet, AQL_PACKET_SIZE);
	for (i = 0; i < 3; i++)
		d->groups[i] = DIV_ROUND_UP(le32_to_cpu(p->grid_size[i]),
					    le16_to_cpu(p->wg_size[i]));
	d->total = total;
	d->waves = size;
	know_kernel(hw, d);
	return d;
}

/* Placing workgroups in wave slots */

static bool wants_slots(struct mock_hqd *h, u64 now)
{
	if (h->state == HQD_DRAINING && h->request != DEQUEUE_DRAIN)
		return false;
	if ((h->state != HQD_ON && h->state != HQD_DRAINING) || now < h->ready)
		return false;
	return !list_empty(&h->waiting) ||
		(h->q->cur && h->next < h->share);
}

static u32 rank_of(struct mock_hqd *h)
{
	return HQD_REG(h, cp_hqd_pipe_priority) << 8 |
		(HQD_REG(h, cp_hqd_queue_priority) & 0xff);
}

/* Give a queue at most this many slots. Returns how many it took. */
static u32 place_one(struct mock_hw *hw, struct mock_hqd *h, u32 slots)
{
	struct mock_batch *b, *rest;
	struct mock_dispatch *d;
	u32 n;

	b = list_first_entry_or_null(&h->waiting, struct mock_batch, node);
	if (b) {
		n = min(b->count, slots / b->d->waves);
		if (!n)
			return 0;
		if (n < b->count) {
			rest = mock_batch_new(h, b->d, b->first + n, b->count - n,
					      b->remains);
			if (!rest)
				return 0;
			list_add(&rest->node, &b->node);
			b->count = n;
		}
		batch_run(hw, b);
		return n * b->d->waves;
	}

	d = h->q->cur;
	n = min(h->share - h->next, slots / d->waves);
	if (!n)
		return 0;
	b = mock_batch_new(h, d, h->next, n, d->duration);
	if (!b)
		return 0;
	h->next += n;
	hw->stats.wg_launched += n;
	batch_run(hw, b);
	n *= d->waves;
	check_launched(hw, h->q);
	return n;
}

static void place_xcc(struct mock_hw *hw, u32 x)
{
	struct mock_xcc *xcc = &hw->xcc[x];
	u32 best, equals, share, turn, room;
	struct mock_queue *q;
	struct mock_hqd *h;

	for (;;) {
		room = xcc->slots - xcc->used;
		best = 0;
		equals = 0;
		list_for_each_entry(q, &xcc->part->mapped, node) {
			h = q->hqd[x];
			if (!wants_slots(h, hw->now))
				continue;
			if (!equals || rank_of(h) > best) {
				best = rank_of(h);
				equals = 0;
			}
			equals += rank_of(h) == best;
		}
		if (!room || !equals)
			return;
		/* equal ones get equal parts of what is free */
		share = max(room / equals, 1U);
		turn = xcc->turn++ % equals;
		list_for_each_entry(q, &xcc->part->mapped, node) {
			h = q->hqd[x];
			if (!wants_slots(h, hw->now) || rank_of(h) != best ||
			    turn--)
				continue;
			break;
		}
		if (list_entry_is_head(q, &xcc->part->mapped, node))
			return;
		/* a large workgroup may need more than its part, or wait */
		if (!place_one(hw, h, share) && !place_one(hw, h, room))
			return;
	}
}

/**
 * mock_place - fill the free wave slots
 * @hw: the GPU
 *
 * Higher priority first; what runs keeps its slot: nothing is preempted here.
 */
void mock_place(struct mock_hw *hw)
{
	u32 x;

	while (hw->dirty) {
		x = __ffs(hw->dirty);
		hw->dirty &= ~(1 << x);
		place_xcc(hw, x);
	}
}

/* Packets */

static bool queue_runs(struct mock_queue *q)
{
	u32 x;

	if (q->on != q->part->xccs || q->error)
		return false;
	for_each_inst(x, q->part->xccs)
		if (q->hqd[x]->state != HQD_ON)
			return false;
	return true;
}

static void queue_error(struct mock_hw *hw, struct mock_queue *q, u32 header)
{
	hw->stats.queue_errors++;
	q->error = true;
	mock_violation(hw->md,
		       "pasid %u doorbell %x: packet %llu with header %x cannot be executed",
		       q->pasid, q->doorbell, q->rptr, header);
}

/* The packet is consumed: its slot is free again. */
static void packet_done(struct mock_hw *hw, struct mock_queue *q, u64 va)
{
	struct mock_hqd *h = mock_first_hqd(q);
	u64 report = HQD_REG64(h, cp_hqd_pq_rptr_report_addr);
	u16 invalid = AQL_INVALID;

	if (mock_mem_write(q->vm, va, &invalid, sizeof(invalid)))
		mock_vm_fault(hw, q, va, true, "a packet");
	q->rptr++;
	hw->stats.aql_packets++;
	hw->active = hw->now;
	if (!(HQD_REG(h, cp_hqd_pq_control) & CP_HQD_PQ_CONTROL__NO_UPDATE_RPTR_MASK) &&
	    mock_mem_write(q->vm, report, &q->rptr, sizeof(q->rptr)))
		mock_vm_fault(hw, q, report, true, "a read pointer");
}

/* 1: satisfied, 0: not, negative: fault */
static int deps_met(struct mock_hw *hw, struct mock_queue *q,
		    const struct aql_barrier *p, bool all)
{
	u32 i, n = 0, met = 0;
	u64 sig, val;

	for (i = 0; i < AQL_DEPS; i++) {
		sig = le64_to_cpu(p->dep[i]);
		if (!sig)
			continue;
		n++;
		if (mock_mem_read64(q->vm, sig + SIGNAL_VALUE, &val)) {
			mock_vm_fault(hw, q, sig, false, "a dependency signal");
			return -EFAULT;
		}
		met += !val;
	}
	return !n || (all ? met == n : met);
}

static bool launch(struct mock_hw *hw, struct mock_queue *q, const void *packet)
{
	struct mock_dispatch *d;
	u32 x;

	d = mock_dispatch_get(hw, q, q->rptr, packet, hw->now);
	if (!d)
		return false;
	hw->stats.dispatches++;
	hw->stats.blits += is_blit(d);
	hw->stats.unexecuted += d->kernel == GFX942_KERNELS;
	q->cur = d;
	for_each_inst(x, q->part->xccs) {
		q->hqd[x]->next = 0;
		q->hqd[x]->share = mock_share(q->hqd[x], d->total);
		d->left[x] = q->hqd[x]->share;
	}
	hw->dirty |= q->on;
	return true;
}

/**
 * mock_queue_advance - execute packets of a queue as far as they are ready
 * @hw: the GPU
 * @q: the queue
 */
void mock_queue_advance(struct mock_hw *hw, struct mock_queue *q)
{
	union aql_packet p;
	u64 ring, va;
	u16 header;
	int r;

	q->stalled = false;
	while (queue_runs(q) && !q->cur && !q->ev.armed && q->rptr < q->wptr) {
		ring = HQD_REG64(mock_first_hqd(q), cp_hqd_pq_base) << 8;
		va = ring + (q->rptr & (q->packets - 1)) * AQL_PACKET_SIZE;
		if (mock_mem_read(q->vm, va, &p, sizeof(p))) {
			mock_vm_fault(hw, q, va, false, "a packet");
			q->error = true;
			return;
		}
		header = le16_to_cpu(p.header);
		if ((header & 0xff) == AQL_INVALID) {
			q->stalled = true;
			return;
		}
		if (header & AQL_BARRIER_BIT && !list_empty(&q->dispatches))
			return;
		switch (header & 0xff) {
		case AQL_KERNEL_DISPATCH:
			if (!launch(hw, q, &p)) {
				queue_error(hw, q, header);
				return;
			}
			break;
		case AQL_BARRIER_AND:
		case AQL_BARRIER_OR:
			r = deps_met(hw, q, &p.barrier,
				     (header & 0xff) == AQL_BARRIER_AND);
			if (r < 0) {
				q->error = true;
				return;
			}
			if (!r) {
				q->stalled = true;
				return;
			}
			hw->stats.barriers++;
			signal_complete(hw, q, le64_to_cpu(p.barrier.completion),
					hw->now);
			wake_stalled(hw);
			break;
		case AQL_VENDOR:
			if (le16_to_cpu(p.barrier.format) == AQL_FORMAT_PM4_IB) {
				hw->stats.vendor_packets++;
				signal_complete(hw, q, le64_to_cpu(p.barrier.completion),
						hw->now);
				wake_stalled(hw);
				break;
			}
			fallthrough;
		default:
			queue_error(hw, q, header);
			return;
		}
		packet_done(hw, q, va);
		if (mock_packet_ns)
			mock_event_arm(hw, &q->ev, hw->now + mock_packet_ns,
				       queue_event);
	}
}

/**
 * mock_queue_read_wptr - as a doorbell or a new mapping makes the CP do
 * @hw: the GPU
 * @q: the queue
 */
void mock_queue_read_wptr(struct mock_hw *hw, struct mock_queue *q)
{
	u64 va = HQD_REG64(mock_first_hqd(q), cp_hqd_pq_wptr_poll_addr);
	u64 wptr;

	if (!q->vm)
		return;
	if (mock_mem_read64(q->vm, va, &wptr)) {
		mock_vm_fault(hw, q, va, false, "a write pointer");
		return;
	}
	/* a ring cannot hold more than its size, whatever the program says */
	if (wptr > q->rptr + q->packets)
		wptr = q->rptr + q->packets;
	if (wptr > q->wptr)
		q->wptr = wptr;
}

/**
 * mock_queue_poll - see whether the doorbell was rung
 * @hw: the GPU
 * @q: the queue
 */
void mock_queue_poll(struct mock_hw *hw, struct mock_queue *q)
{
	if (mock_doorbell_take(hw->md, q->doorbell) != MOCK_DOORBELL_NONE) {
		hw->stats.doorbells++;
		hw->active = hw->now;
		if (q->on & 1 << mock_master(q->part))
			mock_queue_read_wptr(hw, q);
	} else if (!q->stalled) {
		return;
	}
	mock_queue_advance(hw, q);
}

/* Workgroups of a queue that wait for a flag look at it. */
static void queue_flags_poll(struct mock_hw *hw, struct mock_queue *q)
{
	struct mock_dispatch *d;
	struct mock_batch *b;
	u32 x, val;

	list_for_each_entry(d, &q->dispatches, node) {
		if (!waits_for_flag(d))
			continue;
		if (mock_mem_read32(q->vm, d->flag, &val)) {
			mock_vm_fault(hw, q, d->flag, false, "a flag");
			val = 1;
		}
		if (!val)
			continue;
		mock_dispatch_release(hw, d);
		for_each_inst(x, q->part->xccs)
			list_for_each_entry(b, &q->hqd[x]->running, node)
				if (b->d == d)
					mock_event_arm(hw, &b->ev, hw->now + b->remains,
						       batch_end);
	}
}

/* Workgroups that wait for a flag look at it. */
void mock_flags_poll(struct mock_hw *hw)
{
	struct mock_part *part;
	struct mock_queue *q;

	list_for_each_entry(part, &hw->parts, node)
		list_for_each_entry(q, &part->mapped, node)
			if (queue_runs(q))
				queue_flags_poll(hw, q);
}

/**
 * mock_queue_up - a queue is active on one more XCC
 * @hw: the GPU
 * @q: the queue
 * @xcc: index
 *
 * With the last XCC it runs.
 */
void mock_queue_up(struct mock_hw *hw, struct mock_queue *q, u8 xcc)
{
	struct mock_dispatch *d, *tmp;

	hw->dirty |= 1 << xcc;
	if (q->on != q->part->xccs)
		return;
	hw->stats.queues_mapped++;
	hw->active = hw->now;
	/* it may have been rung before */
	mock_doorbell_take(hw->md, q->doorbell);
	mock_queue_read_wptr(hw, q);
	check_launched(hw, q);
	/* restored with nothing left to do: it only lacked its completion */
	list_for_each_entry_safe(d, tmp, &q->dispatches, node)
		mock_dispatch_check(hw, d);
	if (!q->ev.armed)
		mock_event_arm(hw, &q->ev, hw->now, queue_event);
}

/**
 * mock_queue_down - a queue is no longer active on an XCC
 * @hw: the GPU
 * @q: the queue
 * @xcc: index
 *
 * With the last XCC, all that is not in memory is forgotten.
 */
void mock_queue_down(struct mock_hw *hw, struct mock_queue *q, u8 xcc)
{
	struct mock_dispatch *d, *tmp;

	q->on &= ~(1 << xcc);
	if (q->on)
		return;
	list_for_each_entry_safe(d, tmp, &q->dispatches, node)
		mock_dispatch_drop(hw, d);
	mock_event_cancel(hw, &q->ev);
	list_del_init(&q->node);
	hw->stats.queues_unmapped++;
	q->seen = 0;
	q->cur = NULL;
	q->vm = NULL;
	q->going = false;
	q->stalled = false;
	q->error = false;
}
